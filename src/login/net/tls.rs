//! TLS as this machine trusts it: verified against its own CA bundle, or not at all for a self-signed server.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::HttpFault;

/// The CA bundle of Debian's package ca-certificates, which includes the operator's own authorities.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The crypto provider of all connections.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificate authorities that this machine trusts.
pub(super) fn authorities() -> Result<Vec<CertificateDer<'static>>, HttpFault> {
    let unreadable = |error: &dyn std::fmt::Display| {
        HttpFault::Other(format!(
            "cannot read {BUNDLE} ({error}), so no TLS certificate can be verified; install ca-certificates"
        ))
    };
    let found = CertificateDer::pem_file_iter(Path::new(BUNDLE)).map_err(|e| unreadable(&e))?;
    // One malformed entry does not make the others worthless.
    Ok(found.filter_map(Result::ok).collect())
}

/// The TLS settings of a client; `insecure` turns verification off.
pub(super) fn config(insecure: bool) -> Result<ClientConfig, HttpFault> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpFault::Other(error.to_string()))?;
    if insecure {
        let any = Arc::new(AnyCertificate(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities()?);
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The same for ureq.
pub(super) fn for_ureq(insecure: bool) -> Result<ureq::tls::TlsConfig, HttpFault> {
    let builder = ureq::tls::TlsConfig::builder().unversioned_rustls_crypto_provider(provider());
    if insecure {
        return Ok(builder.disable_verification(true).build());
    }
    let authorities: Vec<ureq::tls::Certificate> =
        authorities()?.iter().map(|authority| ureq::tls::Certificate::from_der(authority).to_owned()).collect();
    Ok(builder.root_certs(ureq::tls::RootCerts::new_with_certs(&authorities)).build())
}

/// Accepts every certificate (`--insecure`); signatures are still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
