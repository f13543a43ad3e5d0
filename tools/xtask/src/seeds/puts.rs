//! Bodies of PutRecords in JSON: `fuzz/src/puts.rs` reads them in two ways.

use super::Seed;

const PLAIN: &str = r#"{"Records":[{"Data":"aGVsbG8=","PartitionKey":"k","ExplicitHashKey":"340282366920938463463374607431768211455"},{"PartitionKey":"é ü","Data":""}],"StreamName":"orders"}"#;
const SPACED: &str = "{ \"StreamName\" : \"orders\" , \"Records\" : [ { \"Data\" : \"QQ==\" , \"PartitionKey\" : \"0\" } ] }\n";
const ARN: &str = r#"{"StreamARN":"arn:aws:kinesis:us-east-1:123456789012:stream/orders","Records":[{"Data":"+/+/","PartitionKey":"k"}],"StreamName":"orders"}"#;
const ESCAPED: &str =
    r#"{"Records":[{"Data":"\/\/\/\/","PartitionKey":"\u00e9"}],"StreamName":"orders"}"#;

pub(super) fn seeds() -> Vec<Seed> {
    vec![
        ("plain", PLAIN.into()),
        ("spaced", SPACED.into()),
        ("arn", ARN.into()),
        ("escaped", ESCAPED.into()),
    ]
}
