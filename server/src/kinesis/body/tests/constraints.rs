//! What the model asks for, broken piece by piece.

use super::{
    super::*,
    broken::{self, Tree},
    table,
};
use crate::kinesis::model::{Operation, constraint::EXPRESSIONS, input::*};

fn check(operation: &str, encoding: Encoding, body: &Tree) -> Result<(), Fault> {
    let operation = Operation::from_name(operation).unwrap();
    operation.check(encoding, &encode(encoding, body))
}

fn message(body: &str) -> String {
    let fault = Operation::PutRecords.check(Encoding::Json11, body.as_bytes());
    let fault = fault.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::ValidationException, "{fault}");
    fault.message().to_owned()
}

#[test]
fn the_table_is_of_all_operations() {
    let names: Vec<&str> = table::OPERATIONS.iter().map(|known| known.name).collect();
    let known: Vec<&str> = Operation::ALL.iter().map(|known| known.name()).collect();
    assert_eq!(names, known);
    for operation in Operation::ALL {
        let target = format!("Kinesis_20131202.{}", operation.name());
        assert_eq!(Operation::from_target(&target), Some(*operation));
        assert_eq!(Operation::from_target(operation.name()), None);
    }
    for (operation, row) in Operation::ALL.iter().zip(table::OPERATIONS) {
        let faults: Vec<&str> = operation.faults().iter().map(|kind| kind.name()).collect();
        assert_eq!(faults, row.faults);
    }
}

#[test]
fn what_is_in_order_is_taken() {
    for encoding in [Encoding::Json11, Encoding::Cbor11] {
        for operation in table::OPERATIONS {
            let good = broken::good(operation.name);
            check(operation.name, encoding, &good)
                .unwrap_or_else(|fault| panic!("{} in {encoding:?}: {fault}", operation.name));
        }
    }
}

#[test]
fn every_constraint_of_every_operation_is_looked_at() {
    let cases = broken::cases();
    assert!(cases.len() > 1500, "{} cases", cases.len());
    for encoding in [Encoding::Json11, Encoding::Cbor11] {
        for case in &cases {
            let place = format!("{} {} in {encoding:?}", case.operation, case.what);
            let fault = check(case.operation, encoding, &case.body).expect_err(&place);
            assert_eq!(fault.name(), case.fault, "{place}: {fault}");
            assert!(fault.message().contains(&case.said), "{place}: {fault}");
            assert_eq!(fault.status(), 400);
        }
    }
}

#[test]
fn expressions_compile() {
    assert!(!EXPRESSIONS.is_empty());
    assert!(EXPRESSIONS.iter().all(|expression| expression.is_some()));
}

#[test]
fn patterns_are_those_of_the_model() {
    let long = "9".repeat(129);
    let texts = [
        "",
        "0",
        "00",
        "01",
        "1",
        "-1",
        "+1",
        "1 ",
        "a",
        "a b",
        "a.b-c_d",
        "é",
        "\n",
        "orders\n",
        "A/b",
        &long,
        &long[..39],
        &long[..40],
        &long[..128],
        "arn:aws:kinesis:us-east-1:123456789012:stream/orders",
        "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a b",
        "arn:aws:kinesis::12345678901:stream/orders",
        "arn:aws:kinesis:us-east-1:123456789012:stream/orders/consumer/a.b:123",
        "arn:aws:kinesis:us-east-1:123456789012:stream/orders/consumer/a.b:",
        "xarn:aws:kinesis::123456789012:stream/o",
        "arn:aws:kinesis:us-east-1:123456789012:channel/c",
        "abcdefghij0123456789-abc",
        "abcdefghij0123456789-abC",
    ];
    let mut seen = 0;
    for shape in table::SHAPES {
        let Some(pattern) = shape.pattern else {
            continue;
        };
        let Some(operation) = table::OPERATIONS.iter().find(|operation| {
            let Some(input) = operation.input.map(broken::shape) else { return false };
            matches!(input.kind, table::Kind::Structure(members) if members.iter().any(|m| m.shape == shape.name))
        }) else {
            continue;
        };
        let table::Kind::Structure(members) = broken::shape(operation.input.unwrap()).kind else {
            panic!("inputs are structures");
        };
        let member = members
            .iter()
            .find(|member| member.shape == shape.name)
            .unwrap();
        for text in texts {
            let Tree::Map(mut body) = broken::good(operation.name) else {
                panic!("a structure")
            };
            body.iter_mut()
                .find(|(name, _)| name == member.name)
                .unwrap()
                .1 = Tree::Text(text.to_owned());
            let taken = match check(operation.name, Encoding::Json11, &Tree::Map(body)) {
                Ok(()) => true,
                Err(fault) => !fault.message().contains("pattern"),
            };
            let dotted_line = text.contains('\n') && pattern.contains(".*");
            assert!(
                dotted_line || taken == broken::matches(pattern, text),
                "{text:?} as {pattern}"
            );
        }
        seen += 1;
    }
    assert!(seen >= 9, "{seen} patterns");
}

#[test]
fn messages_are_in_the_words_of_aws() {
    assert_eq!(
        message(r#"{"StreamName":"a b","Records":null}"#),
        "2 validation errors detected: Value null at 'records' failed to satisfy constraint: Member must not be \
         null; Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression \
         pattern: [a-zA-Z0-9_.-]+"
    );
    assert_eq!(
        message(r#"{"Records":[{"Data":"","PartitionKey":"a"},{"Data":"","PartitionKey":""}]}"#),
        "1 validation error detected: Value '' at 'records.2.member.partitionKey' failed to satisfy constraint: \
         Member must have length greater than or equal to 1"
    );
    assert_eq!(
        message(r#"{"Records":[]}"#),
        "1 validation error detected: Value '[]' at 'records' failed to satisfy constraint: Member must have \
         length greater than or equal to 1"
    );
}

#[test]
fn lengths_of_texts_are_in_characters() {
    let body = |key: &str| format!(r#"{{"Records":[{{"Data":"","PartitionKey":"{key}"}}]}}"#);
    let good = body(&"\u{1f980}".repeat(256));
    Operation::PutRecords
        .check(Encoding::Json11, good.as_bytes())
        .unwrap();
    assert!(message(&body(&"é".repeat(257))).contains("length less than or equal to 256"));
}

#[test]
fn a_message_stays_short() {
    let key = "k".repeat(100_000);
    let record = format!(r#"{{"Data":"","PartitionKey":"{key}"}}"#);
    let body = format!(r#"{{"Records":[{}]}}"#, vec![record; 20].join(","));
    let message = message(&body);
    assert!(message.starts_with("10 validation errors detected: Value 'kkk"));
    assert!(message.len() < 20_000, "{} bytes", message.len());
}

#[test]
fn a_blob_is_as_long_as_its_bytes() {
    let record = |bytes: usize| {
        let data = base64_simd::STANDARD.encode_to_string(vec![0; bytes]);
        format!(r#"{{"Records":[{{"Data":"{data}","PartitionKey":"k"}}]}}"#)
    };
    let body = record(10 << 20);
    let input: PutRecordsInput<'_> = decode(Encoding::Json11, body.as_bytes()).unwrap();
    assert_eq!(
        input.records.unwrap()[0].data.as_ref().unwrap().len(),
        10 << 20
    );
    assert!(message(&record((10 << 20) + 1)).contains("[pos=0 lim=10485761 cap=10485761]"));
}
