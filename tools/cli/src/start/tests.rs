use super::*;

fn parse(text: &str) -> Result<Start, StartError> {
    text.parse()
}

#[test]
fn every_form_is_understood() {
    assert_eq!(parse("oldest"), Ok(Start::Oldest));
    assert_eq!(parse("latest"), Ok(Start::Latest));
    assert_eq!(parse("at:0"), Ok(Start::At(0)));
    assert_eq!(
        parse("after:18446744073709551615"),
        Ok(Start::After(u64::MAX))
    );
    assert_eq!(parse("time:1970-01-01T00:00:01Z"), Ok(Start::Time(1000)));
    assert_eq!(
        parse("time:1970-01-01T02:00:01.250+02:00"),
        Ok(Start::Time(1250))
    );
}

#[test]
fn part_of_a_millisecond_counts_as_the_next() {
    assert_eq!(
        parse("time:1970-01-01T00:00:00.0011Z"),
        Ok(Start::Time(2)),
        "a record of millisecond 1 is before that instant"
    );
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(parse("newest"), Err(StartError::Form));
    assert_eq!(parse("oldest:1"), Err(StartError::Form));
    assert_eq!(parse("at:-1"), Err(StartError::Sequence("-1".into())));
    assert_eq!(parse("at:"), Err(StartError::Sequence(String::new())));
    assert_eq!(
        parse("time:2026-11-23 14:30"),
        Err(StartError::Time("2026-11-23 14:30".into()))
    );
    assert!(matches!(
        parse("time:1969-12-31T23:59:59Z"),
        Err(StartError::TooEarly(_))
    ));
}
