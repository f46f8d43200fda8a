package = "luaossl"
version = "20220711-0"
source = { url = "file:///srv/bed/rocks/luaossl-20220711.tar.gz", dir = "luaossl-20220711" }
description = { summary = "OpenSSL bindings", license = "MIT" }
dependencies = { "lua >= 5.1" }
-- luarocks looks for both before it compiles anything.
external_dependencies = {
  OPENSSL = { header = "openssl/ssl.h", library = "ssl" },
  CRYPTO = { header = "openssl/crypto.h", library = "crypto" },
}
build = {
  type = "builtin",
  modules = {
    _openssl = {
      sources = { "src/openssl.c", "vendor/compat53/c-api/compat-5.3.c" },
      incdirs = { "src", "$(OPENSSL_INCDIR)", "$(CRYPTO_INCDIR)" },
      libdirs = { "$(OPENSSL_LIBDIR)", "$(CRYPTO_LIBDIR)" },
      defines = { "HAVE_CONFIG_H", "COMPAT53_PREFIX=luaossl", "_REENTRANT", "_GNU_SOURCE" },
      libraries = { "ssl", "crypto", "pthread", "dl", "m" },
    },
    ["openssl.auxlib"] = "src/openssl.auxlib.lua",
    ["openssl.bignum"] = "src/openssl.bignum.lua",
    ["openssl.cipher"] = "src/openssl.cipher.lua",
    ["openssl.des"] = "src/openssl.des.lua",
    ["openssl.digest"] = "src/openssl.digest.lua",
    ["openssl.hmac"] = "src/openssl.hmac.lua",
    ["openssl.kdf"] = "src/openssl.kdf.lua",
    ["openssl"] = "src/openssl.lua",
    ["openssl.ocsp.basic"] = "src/openssl.ocsp.basic.lua",
    ["openssl.ocsp.response"] = "src/openssl.ocsp.response.lua",
    ["openssl.pkcs12"] = "src/openssl.pkcs12.lua",
    ["openssl.pkey"] = "src/openssl.pkey.lua",
    ["openssl.pubkey"] = "src/openssl.pubkey.lua",
    ["openssl.rand"] = "src/openssl.rand.lua",
    ["openssl.ssl.context"] = "src/openssl.ssl.context.lua",
    ["openssl.ssl"] = "src/openssl.ssl.lua",
    ["openssl.x509.altname"] = "src/openssl.x509.altname.lua",
    ["openssl.x509.chain"] = "src/openssl.x509.chain.lua",
    ["openssl.x509.crl"] = "src/openssl.x509.crl.lua",
    ["openssl.x509.csr"] = "src/openssl.x509.csr.lua",
    ["openssl.x509.extension"] = "src/openssl.x509.extension.lua",
    ["openssl.x509"] = "src/openssl.x509.lua",
    ["openssl.x509.name"] = "src/openssl.x509.name.lua",
    ["openssl.x509.store"] = "src/openssl.x509.store.lua",
    ["openssl.x509.verify_param"] = "src/openssl.x509.verify_param.lua",
  },
}
