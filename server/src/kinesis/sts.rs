//! GetCallerIdentity of STS: what the KPL asks before anything else.

use bytes::Bytes;

use super::{
    Caller, Front,
    answer::{RequestId, escaped},
};

/// The answer: the account, and the access key as a user of it.
pub(super) fn get_caller_identity(front: &Front, caller: &Caller, id: &RequestId) -> Bytes {
    let account = &front.account;
    let (user, id_of_user) = match &caller.access_key {
        Some(access_key) => (format!("user/{access_key}"), access_key),
        None => ("root".to_owned(), account),
    };
    let (user, id_of_user, id) = (escaped(&user), escaped(id_of_user), id.text());
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <GetCallerIdentityResult>\n    <Arn>arn:aws:iam::{account}:{user}</Arn>\n    <UserId>{id_of_user}</UserId>\n    <Account>{account}</Account>\n  </GetCallerIdentityResult>\n  <ResponseMetadata>\n    <RequestId>{id}</RequestId>\n  </ResponseMetadata>\n</GetCallerIdentityResponse>\n"
    )
    .into()
}
