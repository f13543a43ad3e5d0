use super::*;

fn outcome(ours: f64, limit: f64, bar: Bar) -> Outcome {
    Outcome::new("a-figure", "MB/s", ours).limit(limit).bar(bar)
}

fn figure(outcomes: &[Outcome]) -> Figure {
    Figure::of(&outcomes.iter().collect::<Vec<_>>()).unwrap()
}

fn peer(name: &str, value: f64) -> PeerValue {
    PeerValue {
        name: name.to_owned(),
        value,
        line: Value::Null,
    }
}

#[test]
fn ratios_are_taken_within_a_round() {
    let outcomes = [(80.0, 100.0), (10.0, 20.0), (90.0, 100.0)]
        .map(|(ours, limit)| outcome(ours, limit, Bar::Times(0.8)));
    let figure = figure(&outcomes);
    assert_eq!(figure.ours.median, 80.0);
    let ratio = figure.ratio.unwrap();
    assert_eq!((ratio.median, ratio.low, ratio.high), (0.8, 0.5, 0.9));
    assert_eq!(figure.met, Some(true));
}

#[test]
fn a_floor_and_a_ceiling_are_told_apart() {
    assert_eq!(
        figure(&[outcome(79.0, 100.0, Bar::Times(0.8))]).met,
        Some(false)
    );
    assert_eq!(
        figure(&[outcome(115.0, 100.0, Bar::AtMostTimes(1.15))]).met,
        Some(true)
    );
    assert_eq!(
        figure(&[outcome(116.0, 100.0, Bar::AtMostTimes(1.15))]).met,
        Some(false)
    );
}

#[test]
fn a_value_is_compared_with_no_limit() {
    let of = |bar| figure(&[Outcome::new("a-figure", "ns", 450.0).bar(bar)]);
    assert_eq!(of(Bar::AtMost(450.0)).met, Some(true));
    assert_eq!(of(Bar::AtMost(449.0)).met, Some(false));
    assert_eq!(of(Bar::AtLeast(451.0)).met, Some(false));
    assert_eq!(of(Bar::Shown).met, None);
    assert_eq!(of(Bar::AtMost(450.0)).ratio, None);
}

#[test]
fn the_lesser_of_a_share_and_a_value_is_the_bar() {
    let bar = Bar::TimesOrValue(0.6, 12.0);
    // Six tenths of the limit are less than the value, and then more.
    assert_eq!(figure(&[outcome(6.0, 10.0, bar)]).bar, Some(0.6));
    let high = figure(&[outcome(12.0, 40.0, bar)]);
    assert_eq!(high.bar, Some(0.3));
    assert_eq!(high.met, Some(true));
}

#[test]
fn a_value_is_met_by_the_value_that_is_told() {
    let bar = Bar::TimesOrValue(0.6, 12.0);
    let outcomes =
        [(13.0, 40.0), (13.0, 60.0), (9.0, 20.0)].map(|(ours, limit)| outcome(ours, limit, bar));
    let figure = figure(&outcomes);
    assert_eq!((figure.bar, figure.met), (Some(0.3), Some(true)));
    assert_eq!(figure.ratio.unwrap().median, 13.0 / 40.0);
}

#[test]
fn the_best_peer_is_the_same_in_all_rounds() {
    let rounds = [
        [peer("steady", 50.0), peer("lucky", 10.0)],
        [peer("steady", 50.0), peer("lucky", 90.0)],
        [peer("steady", 50.0), peer("lucky", 20.0)],
    ];
    let outcomes = rounds.map(|peers| Outcome {
        peers: peers.into(),
        ..outcome(60.0, 1000.0, Bar::Times(1.0))
    });
    let figure = figure(&outcomes);
    assert_eq!(figure.peers[0], ("steady".to_owned(), 50.0));
    assert_eq!(figure.ratio.unwrap().low, 1.2);
    assert_eq!(figure.met, Some(true));
}

#[test]
fn a_line_has_every_key() {
    let line = figure(&[outcome(80.0, 100.0, Bar::Times(0.8)).durable()]).line();
    let keys = [
        "figure",
        "ours",
        "limit",
        "best_peer",
        "best_peer_name",
        "ratio",
        "bar",
        "met",
        "unit",
        "durability",
        "details",
    ];
    let object = line.as_object().unwrap();
    assert_eq!(object.len(), keys.len());
    assert!(keys.iter().all(|key| object.contains_key(*key)));
    assert_eq!(line["met"], json!(true));
    assert_eq!(line["durability"], json!("durable"));
    assert_eq!(line["best_peer"], Value::Null);
    let bare = figure(&[Outcome::new("a-figure", "ns", 1.0)]).line();
    assert_eq!(bare["durability"], Value::Null);
    assert_eq!(bare["limit"], Value::Null);
}

#[test]
fn details_are_medians_of_their_own() {
    let outcomes = [1.0, 5.0, 2.0].map(|value| outcome(1.0, 1.0, Bar::Shown).detail("x", value));
    assert_eq!(figure(&outcomes).detail("x"), Some(2.0));
}

#[test]
fn numbers_are_rounded_to_five_digits() {
    assert_eq!(rounded(1_234_567.8), 1_234_568.0);
    assert_eq!(rounded(0.123_456_78), 0.123_46);
    assert_eq!(rounded(0.0), 0.0);
}
