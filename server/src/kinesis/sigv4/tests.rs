use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
        sign,
    },
    sign::v4,
};
use http::Request;
use proptest::prelude::*;

use super::*;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z
const NOW: u64 = 1_440_938_160;

fn clients(token: Option<&str>) -> Arc<Clients> {
    let one = Credentials {
        access_key: KEY.to_owned(),
        secret_key: SECRET.to_owned(),
        session_token: token.map(str::to_owned),
    };
    Arc::new([one].into_iter().collect())
}

fn verifier() -> Verifier {
    Verifier::new(clients(None), "us-east-1", 300)
}

fn at(seconds: u64) -> Moment {
    Moment::from(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Admits and verifies at a time.
fn verify_at(
    verifier: &Verifier,
    request: &Request<Vec<u8>>,
    service: &'static str,
    now: u64,
) -> Result<Caller, Fault> {
    let (head, body) = request.clone().into_parts();
    let claim = verifier.admit(&head, at(now))?;
    verifier.verify(claim, &head, &body, service)
}

fn verify(request: &Request<Vec<u8>>) -> Result<Caller, Fault> {
    verify_at(&verifier(), request, "kinesis", NOW)
}

/// What the Rust SDK would send.
struct Signer {
    location: SignatureLocation,
    expires: Option<Duration>,
    token: Option<&'static str>,
    secret: &'static str,
    key: &'static str,
    region: &'static str,
    hash_header: bool,
    time: SystemTime,
}

impl Default for Signer {
    fn default() -> Self {
        Signer {
            location: SignatureLocation::Headers,
            expires: None,
            token: None,
            secret: SECRET,
            key: KEY,
            region: "us-east-1",
            hash_header: false,
            time: UNIX_EPOCH + Duration::from_secs(NOW),
        }
    }
}

impl Signer {
    fn sign(&self, request: &mut Request<Vec<u8>>) {
        let mut settings = SigningSettings::default();
        settings.signature_location = self.location;
        settings.expires_in = self.expires;
        if self.hash_header {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let token = self.token.map(str::to_owned);
        let credentials =
            aws_credential_types::Credentials::new(self.key, self.secret, token, None, "test");
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("kinesis")
            .time(self.time)
            .settings(settings)
            .build()
            .unwrap();
        let headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.uri().to_string(),
            headers.iter().map(|(name, value)| (&**name, &**value)),
            SignableBody::Bytes(request.body()),
        )
        .unwrap();
        let (instructions, _) = sign(signable, &params.into()).unwrap().into_parts();
        instructions.apply_to_request_http1x(request);
    }
}

fn request(body: &[u8]) -> Request<Vec<u8>> {
    Request::post("http://127.0.0.1:4567/")
        .header("host", "127.0.0.1:4567")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "Kinesis_20131202.ListStreams")
        .body(body.to_vec())
        .unwrap()
}

fn signed(signer: &Signer) -> Request<Vec<u8>> {
    let mut request = request(b"{}");
    signer.sign(&mut request);
    request
}

/// The message of an error of a kind.
fn refusal(result: Result<Caller, Fault>, kind: FaultKind) -> String {
    let fault = result.unwrap_err();
    assert_eq!(fault.kind(), kind, "{fault}");
    fault.message().to_owned()
}

#[test]
fn published_vectors_verify() {
    let vector = |method: &str, path: &str, signature: &str| {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={KEY}/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        let request = Request::builder()
            .method(method)
            .uri(format!("https://example.amazonaws.com{path}"))
            .header("host", "example.amazonaws.com")
            .header("x-amz-date", "20150830T123600Z")
            .header("authorization", authorization)
            .body(Vec::new())
            .unwrap();
        verify_at(&verifier(), &request, "service", NOW)
    };
    for (method, path, signature) in [
        (
            "GET",
            "/",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "POST",
            "/",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ] {
        let caller = vector(method, path, signature);
        let caller = caller.unwrap_or_else(|fault| panic!("{method} {path}: {fault}"));
        assert_eq!(caller.access_key.as_deref(), Some(KEY));
    }
    // The example of the documentation of IAM.
    let request = Request::get("https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08")
        .header("host", "iam.amazonaws.com")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .header("x-amz-date", "20150830T123600Z")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
        .body(Vec::new())
        .unwrap();
    verify_at(&verifier(), &request, "iam", NOW).unwrap();
}

#[test]
fn what_the_sdk_signs_verifies_in_each_form() {
    for location in [SignatureLocation::Headers, SignatureLocation::QueryParams] {
        for hash_header in [false, true] {
            let signer = Signer {
                location,
                hash_header,
                expires: (location == SignatureLocation::QueryParams)
                    .then(|| Duration::from_secs(60)),
                ..Signer::default()
            };
            let mut request = signed(&signer);
            verify(&request).unwrap();
            *request.body_mut() = b"{ }".to_vec();
            refusal(verify(&request), FaultKind::InvalidSignatureException);
        }
    }
}

#[test]
fn each_header_that_is_signed_counts() {
    let names = ["x-amz-target", "content-type", "host", "x-amz-date"];
    for name in names {
        let mut request = signed(&Signer::default());
        let value = request.headers()[name].to_str().unwrap().to_owned();
        let changed = value.replace('1', "2");
        request.headers_mut().insert(name, changed.parse().unwrap());
        let fault = verify(&request).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::InvalidSignatureException, "{name}");
    }
    let mut request = signed(&Signer::default());
    request.headers_mut().remove("content-type");
    let said = refusal(verify(&request), FaultKind::InvalidSignatureException);
    assert!(said.contains("content-type"), "{said}");
}

#[test]
fn clocks_may_differ_by_the_tolerance_in_both_directions() {
    let request = signed(&Signer::default());
    let verifier = verifier();
    for now in [NOW - 300, NOW + 300] {
        verify_at(&verifier, &request, "kinesis", now).unwrap();
    }
    let late = verify_at(&verifier, &request, "kinesis", NOW + 301);
    assert_eq!(
        refusal(late, FaultKind::InvalidSignatureException),
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)"
    );
    let early = verify_at(&verifier, &request, "kinesis", NOW - 301);
    assert_eq!(
        refusal(early, FaultKind::InvalidSignatureException),
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)"
    );
}

#[test]
fn a_presigned_request_holds_as_long_as_it_says() {
    let signer = Signer {
        location: SignatureLocation::QueryParams,
        expires: Some(Duration::from_secs(3600)),
        ..Signer::default()
    };
    let request = signed(&signer);
    let verifier = verifier();
    verify_at(&verifier, &request, "kinesis", NOW + 3600).unwrap();
    let late = verify_at(&verifier, &request, "kinesis", NOW + 3601);
    let said = refusal(late, FaultKind::InvalidSignatureException);
    assert!(said.starts_with("Signature expired"), "{said}");
    let early = verify_at(&verifier, &request, "kinesis", NOW - 301);
    refusal(early, FaultKind::InvalidSignatureException);
}

#[test]
fn strangers_and_wrong_secrets_are_told_apart() {
    let stranger = signed(&Signer {
        key: "AKIDOTHER",
        ..Signer::default()
    });
    refusal(verify(&stranger), FaultKind::UnrecognizedClientException);
    let guesser = signed(&Signer {
        secret: "guess",
        ..Signer::default()
    });
    let said = refusal(verify(&guesser), FaultKind::InvalidSignatureException);
    assert!(said.starts_with("The request signature we calculated does not match"));
    assert!(
        said.contains("x-amz-target:Kinesis_20131202.ListStreams"),
        "{said}"
    );
}

#[test]
fn a_session_token_must_be_the_one_of_the_client() {
    let own = Verifier::new(clients(Some("token")), "us-east-1", 300);
    let with = |token| {
        signed(&Signer {
            token,
            ..Signer::default()
        })
    };
    verify_at(&own, &with(Some("token")), "kinesis", NOW).unwrap();
    for (verifier, token) in [
        (&own, None),
        (&own, Some("other")),
        (&verifier(), Some("token")),
    ] {
        let result = verify_at(verifier, &with(token), "kinesis", NOW);
        refusal(result, FaultKind::UnrecognizedClientException);
    }
}

#[test]
fn the_scope_must_be_of_this_server() {
    let elsewhere = signed(&Signer {
        region: "eu-west-1",
        ..Signer::default()
    });
    let said = refusal(verify(&elsewhere), FaultKind::InvalidSignatureException);
    assert!(said.contains("valid region, not 'eu-west-1'"), "{said}");
    let request = signed(&Signer::default());
    let result = verify_at(&verifier(), &request, "sts", NOW);
    let said = refusal(result, FaultKind::InvalidSignatureException);
    assert!(said.contains("correct service: 'sts'"), "{said}");

    let mut request = signed(&Signer::default());
    let authorization = request.headers()["authorization"].to_str().unwrap();
    let other = authorization
        .replace("/20150830/", "/20150829/")
        .replace("aws4_request", "aws5_request");
    request
        .headers_mut()
        .insert("authorization", other.parse().unwrap());
    let said = refusal(verify(&request), FaultKind::InvalidSignatureException);
    assert!(said.contains("'20150829' != '20150830'"), "{said}");
    assert!(said.contains("not 'aws5_request'"), "{said}");
}

#[test]
fn what_is_missing_is_listed() {
    let missing = refusal(
        verify(&request(b"{}")),
        FaultKind::MissingAuthenticationTokenException,
    );
    assert_eq!(missing, "Missing Authentication Token");
    let with = |authorization: &str| {
        let mut request = request(b"{}");
        let value = authorization.parse().unwrap();
        request.headers_mut().insert("authorization", value);
        verify(&request)
    };
    refusal(
        with("Basic YTpi"),
        FaultKind::MissingAuthenticationTokenException,
    );
    let said = refusal(
        with("AWS4-HMAC-SHA256 Credential=a"),
        FaultKind::IncompleteSignatureException,
    );
    assert_eq!(
        said,
        "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256 Credential=a"
    );
    refusal(
        with("AWS4-HMAC-SHA1 a"),
        FaultKind::IncompleteSignatureException,
    );

    let mut both = signed(&Signer::default());
    *both.uri_mut() = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256".parse().unwrap();
    let said = refusal(verify(&both), FaultKind::InvalidSignatureException);
    assert!(said.starts_with("Found both"), "{said}");
    both.headers_mut().remove("authorization");
    let said = refusal(verify(&both), FaultKind::IncompleteSignatureException);
    assert!(said.contains("'X-Amz-Signature'"), "{said}");
}

#[test]
fn what_must_be_signed_is() {
    let mut request = signed(&Signer::default());
    let authorization = request.headers()["authorization"].to_str().unwrap();
    for (from, to, said) in [(";x-amz-target", "", "X-Amz-Target"), ("host;", "", "Host")] {
        let other = authorization.replace(from, to);
        assert_ne!(other, authorization);
        let mut request = request.clone();
        request
            .headers_mut()
            .insert("authorization", other.parse().unwrap());
        let message = refusal(verify(&request), FaultKind::InvalidSignatureException);
        assert!(message.contains(said), "{message}");
    }
    let many = authorization.replace("host;", "host;host;");
    request
        .headers_mut()
        .insert("authorization", many.parse().unwrap());
    refusal(verify(&request), FaultKind::IncompleteSignatureException);
}

#[test]
fn an_unsigned_payload_is_taken_where_the_signature_says_so() {
    let mut request = request(b"{}");
    request
        .headers_mut()
        .insert("x-amz-content-sha256", "UNSIGNED-PAYLOAD".parse().unwrap());
    let (head, _) = request.clone().into_parts();
    // The header is signed like any other, and the last line of what is signed is the same word.
    let mut signable = request.clone();
    Signer::default().sign(&mut signable);
    let signature = {
        let mut claim = Claim::of(&signable.clone().into_parts().0).unwrap();
        claim.signature = vec![0; 32];
        let (head, body) = signable.clone().into_parts();
        let fault = verifier()
            .verify(claim, &head, &body, "kinesis")
            .unwrap_err();
        let text = fault
            .message()
            .split_once("String-to-Sign should have been\n'")
            .unwrap()
            .1;
        let text = text.strip_suffix("'\n").unwrap();
        let verifier = verifier();
        let claim = Claim::of(&head).unwrap();
        let key = verifier.key(verifier.client(&claim).unwrap(), &claim, "kinesis");
        hex(hmac::sign(&key, text.as_bytes()).as_ref())
    };
    drop(head);
    let authorization = signable.headers()["authorization"].to_str().unwrap();
    let (front, _) = authorization.rsplit_once('=').unwrap();
    let authorization = format!("{front}={signature}");
    signable
        .headers_mut()
        .insert("authorization", authorization.parse().unwrap());
    verify(&signable).unwrap();
    *signable.body_mut() = b"anything".to_vec();
    verify(&signable).unwrap();
}

#[test]
fn a_date_header_stands_in_for_the_one_of_amazon() {
    let mut request = signed(&Signer::default());
    assert!(Claim::of(&request.clone().into_parts().0).is_ok());
    request.headers_mut().remove("x-amz-date");
    request
        .headers_mut()
        .insert("date", "Sun, 30 Aug 2015 12:36:00 GMT".parse().unwrap());
    let claim = Claim::of(&request.into_parts().0).unwrap();
    assert_eq!(claim.moment.to_string(), "20150830T123600Z");
}

#[test]
fn moments_are_read_as_they_are_written() {
    for (seconds, text) in [
        (0, "19700101T000000Z"),
        (951_782_400, "20000229T000000Z"),
        (1_709_251_199, "20240229T235959Z"),
        (253_402_300_799, "99991231T235959Z"),
    ] {
        assert_eq!(at(seconds).to_string(), text);
        assert_eq!(Moment::parse(text), Some(at(seconds)));
    }
    for wrong in [
        "20230229T000000Z",
        "20231301T000000Z",
        "20230101T240000Z",
        "2023-01-01T0000Z",
        "",
    ] {
        assert_eq!(Moment::parse(wrong), None, "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn moments_agree_with_a_calendar(seconds in 0..253_402_300_800_u64) {
        let moment = at(seconds);
        prop_assert_eq!(Moment::parse(&moment.to_string()), Some(moment));
        let http = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        prop_assert_eq!(Moment::parse_any(&http), Some(moment));
    }

    #[test]
    fn whatever_the_sdk_signs_verifies(
        path in "(/[a-zA-Z0-9_.~%20-]{1,8}){0,3}/?",
        query in proptest::collection::vec("[a-zA-Z0-9_.~-]{1,6}(=[a-zA-Z0-9_.~/:;-]{0,6})?", 0..4),
        values in proptest::collection::vec("[ -~]{0,20}", 0..4),
        body in proptest::collection::vec(any::<u8>(), 0..64),
        presigned: bool,
        change in any::<proptest::sample::Index>(),
    ) {
        let path = path.replace('%', "%2");
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let Ok(uri) = format!("http://localhost:4567{path}{query}").parse::<http::Uri>() else {
            return Ok(());
        };
        let mut request = Request::post(uri).header("host", "localhost:4567");
        for (at, value) in values.iter().enumerate() {
            request = request.header(format!("x-amz-meta-{at}"), value);
        }
        let mut request = request.body(body).unwrap();
        let signer = Signer {
            location: if presigned { SignatureLocation::QueryParams } else { SignatureLocation::Headers },
            expires: presigned.then(|| Duration::from_secs(60)),
            ..Signer::default()
        };
        signer.sign(&mut request);
        let result = verify(&request);
        prop_assert!(result.is_ok(), "{} {:?}", result.unwrap_err(), request);
        // And nothing else does.
        if request.body().is_empty() {
            request.body_mut().push(0);
        } else {
            let at = change.index(request.body().len());
            request.body_mut()[at] ^= 1;
        }
        prop_assert!(verify(&request).is_err());
    }

    #[test]
    fn no_authorization_is_a_panic(authorization in "\\PC{0,120}", query in "[ -~]{0,80}") {
        let query: String = query.chars().filter(|c| !" \"<>#`{}|\\^".contains(*c)).collect();
        let mut builder = Request::post(format!("/?{query}"));
        if let Ok(value) = http::HeaderValue::from_str(&format!("AWS4-HMAC-SHA256 {authorization}")) {
            builder = builder.header("authorization", value);
        }
        if let Ok(request) = builder.header("host", "h").header("x-amz-date", "20150830T123600Z").body(Vec::new()) {
            prop_assert!(verify(&request).is_err());
        }
    }
}
