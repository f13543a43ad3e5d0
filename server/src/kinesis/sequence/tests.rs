use proptest::prelude::*;

use super::*;

fn origins() -> impl Strategy<Value = Origin> {
    (0..=MAX_SECONDS, any::<u32>()).prop_map(|(created_s, shard)| Origin::new(created_s, shard))
}

fn numbers() -> impl Strategy<Value = Number> {
    let index = prop_oneof![0..1000u64, any::<u64>(), (u64::MAX - 2)..=u64::MAX];
    (origins(), index, any::<bool>()).prop_map(|(origin, index, between)| match between {
        true => origin.before(index),
        false => origin.record(index),
    })
}

/// The number by long division, in hexadecimal digits.
fn hexadecimal(text: &str) -> String {
    let mut decimal: Vec<u8> = text.bytes().map(|digit| digit - b'0').collect();
    let mut hexadecimal = String::new();
    while decimal.iter().any(|digit| *digit != 0) {
        let mut rest = 0u32;
        for digit in &mut decimal {
            rest = rest * 10 + u32::from(*digit);
            (*digit, rest) = ((rest / 16) as u8, rest % 16);
        }
        hexadecimal.insert(0, char::from_digit(rest, 16).unwrap());
    }
    hexadecimal
}

#[test]
fn the_layout_is_that_of_kinesis() {
    let number = Origin::new(0x0_6123_4567, 0x1b).record(0xabc).to_string();
    assert_eq!(number.len(), DIGITS);
    assert_eq!(
        hexadecimal(&number),
        concat!(
            "2",
            "061234567",
            "b",
            "0000000000000abc",
            "00",
            "061234567",
            "0000001b",
            "2"
        )
    );
    let before = Origin::new(0x0_6123_4567, 0x1b).before(0xabc).to_string();
    assert_eq!(
        hexadecimal(&before),
        concat!(
            "2",
            "061234567",
            "b",
            "0000000000000abc",
            "00",
            "000000000",
            "0000001b",
            "2"
        )
    );
}

#[test]
fn a_number_that_aws_gave_is_of_the_same_form_and_refused() {
    // Its second time is its own, and not that of the shard.
    let aws = "49590338271490256608559692538361571095921575989136588898";
    assert_eq!(aws.len(), DIGITS);
    assert!(hexadecimal(aws).starts_with('2') && hexadecimal(aws).ends_with('2'));
    assert_eq!(aws.parse::<Number>(), Err(NotANumber));
}

#[test]
fn a_place_between_records_is_where_reading_at_it_and_after_it_begins() {
    let origin = Origin::new(1_700_000_000, 3);
    assert_eq!(origin.record(7).at(), 7);
    assert_eq!(origin.record(7).after(), Some(8));
    assert_eq!(origin.before(7).at(), 7);
    assert_eq!(origin.before(7).after(), Some(7));
    assert_eq!(origin.record(u64::MAX).after(), None);
    assert!(origin.record(6) < origin.before(7) && origin.before(7) < origin.record(7));
}

#[test]
fn the_numbers_of_a_child_are_above_those_of_its_parents() {
    let parent = Origin::new(1_700_000_000, 0xf);
    let child = Origin::new(1_700_000_001, 0x10);
    assert!(parent.before(u64::MAX) < child.before(0));
    assert!(parent.record(u64::MAX) < child.record(0));
}

#[test]
fn what_is_no_number_is_refused() {
    let digits = "4".repeat(DIGITS);
    let zero_first = format!("0{}", "1".repeat(DIGITS - 1));
    let longest = "9".repeat(DIGITS);
    let sign = format!("+{}", "4".repeat(DIGITS - 1));
    for text in ["", "0", "12", &digits, &zero_first, &longest, &sign] {
        assert_eq!(text.parse::<Number>(), Err(NotANumber), "{text:?}");
    }
    let good = Origin::new(1_700_000_000, 1).record(5).to_string();
    assert!(good.parse::<Number>().is_ok());
    assert!(format!("{good} ").parse::<Number>().is_err());
    assert!(format!("{good}0").parse::<Number>().is_err());
}

proptest! {
    #[test]
    fn every_number_comes_back(number in numbers()) {
        let text = number.to_string();
        prop_assert_eq!(text.len(), DIGITS);
        prop_assert_eq!(text.parse::<Number>(), Ok(number));
    }

    #[test]
    fn the_order_is_that_of_the_text(a in numbers(), b in numbers()) {
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
    }

    #[test]
    fn the_order_within_a_shard_is_that_of_its_records(
        origin in origins(), a in any::<u64>(), b in any::<u64>()
    ) {
        prop_assert_eq!(origin.record(a).cmp(&origin.record(b)), a.cmp(&b));
        prop_assert_eq!(origin.before(a).cmp(&origin.before(b)), a.cmp(&b));
    }

    #[test]
    fn counting_on_is_the_next_number(
        origin in origins(), index in 0..u64::MAX - 20, between in any::<bool>()
    ) {
        let number = |index| match between {
            true => origin.before(index),
            false => origin.record(index),
        };
        let mut decimal = number(index).decimal();
        for next in index..index + 20 {
            prop_assert_eq!(decimal, number(next).decimal());
            decimal.step();
        }
    }

    #[test]
    fn other_digits_are_another_number_or_none(
        number in numbers(), at in 0..DIGITS, digit in 0u8..10
    ) {
        let mut text = number.to_string().into_bytes();
        text[at] = b'0' + digit;
        let text = String::from_utf8(text).unwrap();
        match text.parse::<Number>() {
            Ok(other) => prop_assert_eq!(other.to_string(), text),
            Err(NotANumber) => prop_assert_ne!(text, number.to_string()),
        }
    }
}
