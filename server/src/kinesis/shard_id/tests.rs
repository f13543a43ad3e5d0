use super::*;

#[test]
fn names_and_numbers() {
    assert_eq!(ShardName(0).to_string(), "shardId-000000000000");
    assert_eq!(ShardName(u32::MAX).to_string(), "shardId-004294967295");
    for number in [0, 7, 1234, u32::MAX] {
        assert_eq!(
            ShardName::parse(&ShardName(number).to_string()),
            Some(ShardName(number))
        );
    }
    assert_eq!(ShardName::parse("shardId-7"), Some(ShardName(7)));
    for name in [
        "",
        "shardId-",
        "shardId-x",
        "shardId-+1",
        "shardId-999999999999",
        "7",
        "shardid-000000000000",
    ] {
        assert_eq!(ShardName::parse(name), None, "{name:?}");
    }
}
