//! Control operations, asked by bodies in JSON without a socket.

mod consumers;
mod settings;
mod streams;

use serde_json::{Value, json};

use super::*;
use crate::kinesis::fixture::{Stand, settled};

/// The kind of a refusal.
async fn kind(stand: &Stand, operation: &str, body: Value) -> FaultKind {
    stand.refused(operation, body).await.0
}

/// Asks what is answered without a body.
async fn done(stand: &Stand, operation: &str, body: Value) {
    let bytes = serde_json::to_vec(&body).unwrap();
    let answer = stand.ask_bytes(operation, Encoding::Json11, bytes).await;
    assert!(answer.unwrap().is_empty(), "{operation}");
}

async fn summary(stand: &Stand, stream: &str) -> Value {
    let body = json!({"StreamName": stream});
    let answer = stand.ask("DescribeStreamSummary", body).await.unwrap();
    answer["StreamDescriptionSummary"].clone()
}

/// Operations that the model has and this server has not.
#[tokio::test]
async fn what_is_not_there_yet_says_so() {
    let stand = Stand::new();
    let body = json!({"StreamFilter": []});
    for operation in ["ListChannels", "ListQueues"] {
        let (kind, message) = stand.refused(operation, body.clone()).await;
        assert_eq!(kind, FaultKind::InvalidArgumentException);
        assert!(message.contains(operation), "{message}");
    }
}
