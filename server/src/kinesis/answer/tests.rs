use super::*;

fn parts(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    match response.into_body() {
        AnswerBody::Whole(Some(bytes)) => (status, String::from_utf8_lossy(&bytes).into_owned()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_error_is_told_in_each_dialect() {
    let id = RequestId::new();
    let told = Fault::new(FaultKind::InvalidSignatureException, "a < b");
    let (status, body) = parts(fault(Dialect::Targeted(Encoding::Json11), &told, &id));
    assert_eq!(
        (status, &*body),
        (
            400,
            r#"{"__type":"InvalidSignatureException","message":"a < b"}"#
        )
    );
    let (status, body) = parts(fault(Dialect::Query, &told, &id));
    assert_eq!(status, 403);
    assert!(
        body.contains("<Code>SignatureDoesNotMatch</Code>"),
        "{body}"
    );
    assert!(body.contains("<Message>a &lt; b</Message>"), "{body}");
    assert!(body.contains(&id.text()), "{body}");
    let response = fault(Dialect::RpcCbor, &told, &id);
    assert_eq!(response.headers()["smithy-protocol"], "rpc-v2-cbor");
    assert_eq!(response.headers()["content-type"], "application/cbor");
    let (status, body) = parts(fault(Dialect::Unknown, &told, &id));
    assert_eq!(status, 400);
    assert!(body.starts_with("<InvalidSignatureException>"), "{body}");
}

#[test]
fn ids_are_uuids_of_version_4_and_never_the_same() {
    let ids: std::collections::HashSet<String> =
        (0..1000).map(|_| RequestId::new().text()).collect();
    assert_eq!(ids.len(), 1000);
    for id in ids {
        let dashes: Vec<usize> = id.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!(dashes, [8, 13, 18, 23], "{id}");
        assert_eq!(&id[14..15], "4", "{id}");
        assert!("89ab".contains(&id[19..20]), "{id}");
    }
}

#[test]
fn what_xml_cannot_hold_is_replaced() {
    assert_eq!(
        escaped("<a b=\"c\">&\u{0}\n"),
        "&lt;a b=&quot;c&quot;&gt;&amp;\u{fffd}\n"
    );
}
