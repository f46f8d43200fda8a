use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::{Algorithm, Header, Signer, sign};
use crate::host::secret::Secret;
use crate::token::key::hmac_accepts;
use crate::token::{PublicKey, SigningKey};

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

#[test]
fn rfc_7515_example_a1_verifies() {
    let key = URL_SAFE_NO_PAD
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                  eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = URL_SAFE_NO_PAD.decode("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
    let accepts = |algorithm, signed| hmac_accepts(algorithm, &key, signed, &signature);
    assert!(accepts(Algorithm::Hs256, signed.as_bytes()));
    assert!(!accepts(Algorithm::Hs256, &signed.as_bytes()[1..]));
    assert!(!accepts(Algorithm::Hs384, signed.as_bytes()));
    assert!(!accepts(Algorithm::Rs256, signed.as_bytes()));
}

/// The claims of the RFC's examples, exactly as written there.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[test]
fn rfc_7515_example_a2_verifies() {
    let modulus = bytes(
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS\
         -pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2C\
         apHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9g\
         b54h4FRWyuXpoQ",
    );
    let signature = bytes(
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUA\
         r7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO-\
         -xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_\
         IoypGlUPQGe77Rw",
    );
    // RSAPublicKey: the modulus, 257 bytes with the zero that keeps it positive, and the exponent 65537.
    let mut key = vec![0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00];
    key.extend(modulus);
    key.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
    let key = PublicKey::Rsa(key);
    let signed = format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS}");
    assert!(key.accepts(Algorithm::Rs256, signed.as_bytes(), &signature));
    assert!(!key.accepts(Algorithm::Rs256, &signed.as_bytes()[1..], &signature));
    assert!(!key.accepts(Algorithm::Rs384, signed.as_bytes(), &signature));
    assert!(!key.accepts(Algorithm::Es256, signed.as_bytes(), &signature));
}

#[test]
fn rfc_7515_example_a3_verifies() {
    let mut point = vec![4];
    point.extend(bytes("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"));
    point.extend(bytes("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"));
    let key = PublicKey::Ecdsa(point);
    let signature = bytes("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
    let signed = format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}");
    assert!(key.accepts(Algorithm::Es256, signed.as_bytes(), &signature));
    assert!(!key.accepts(Algorithm::Es256, &signed.as_bytes()[1..], &signature));
    assert!(!key.accepts(Algorithm::Hs256, signed.as_bytes(), &signature));
}

#[test]
fn tokens_are_identical_to_those_of_pyjwt() {
    // jwt.encode({"aud":"jitsi","iss":"app","room":"*"}, SECRET, ALG, sort_headers=False), PyJWT 2.15.1
    let claims = object(json!({"aud": "jitsi", "iss": "app", "room": "*"}));
    let secret = Secret::unlisted("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    for (algorithm, signature) in PYJWT {
        let header = Header::new(*algorithm);
        assert_eq!(sign(&header, &claims, &secret), *signature);
        let signer = Signer::new(&header, SigningKey::shared(&secret, *algorithm));
        let json = Value::Object(claims.clone()).to_string();
        let mut token = Vec::new();
        signer.append(json.as_bytes(), &mut token, &mut Vec::new()).unwrap();
        assert_eq!(String::from_utf8(token).unwrap(), *signature);
    }
}

const PYJWT: &[(Algorithm, &str)] = &[
    (
        Algorithm::Hs256,
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJqaXRzaSIsImlzcyI6ImFwcCIsInJvb20iOiIqIn0.XVqZqdpLXOGvyEXCwtF3iUGN2VE7VHGlaQBlyp_z-9Q",
    ),
    (
        Algorithm::Hs384,
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzM4NCJ9.eyJhdWQiOiJqaXRzaSIsImlzcyI6ImFwcCIsInJvb20iOiIqIn0.KkfXpbLe8a6nm9MDqXEEbK_KyNbfpKVtAHGKZiGbN32Y5b5kscKPKcFzi9WV6_Gt",
    ),
    (
        Algorithm::Hs512,
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9.eyJhdWQiOiJqaXRzaSIsImlzcyI6ImFwcCIsInJvb20iOiIqIn0.xAqataTCDNffEGk0IbMbeI86GKGZLSXuXBg88vCf3Fyxr7yvlYg4Lwox3gqihmeSyIns9QJfcC27q8ewRoJBHQ",
    ),
];

#[test]
fn extra_fields_cannot_replace_type_and_algorithm() {
    let mut header = Header::new(Algorithm::Hs512);
    header.extra = object(json!({"kid": "one", "alg": "none"}));
    assert_eq!(Value::Object(header.fields()).to_string(), r#"{"typ":"JWT","alg":"HS512","kid":"one"}"#);
}
