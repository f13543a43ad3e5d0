//! How what the model names is called in Rust.

/// The name of a field: `StreamARN` is `stream_arn`.
pub(super) fn field(name: &str) -> String {
    let words = snake(name);
    // The one word of the model that Rust keeps for itself.
    if words == "type" {
        return "r#type".to_owned();
    }
    words
}

/// The name of a constant: `StreamARN` is `STREAM_ARN`.
pub(super) fn constant(name: &str) -> String {
    snake(name).to_uppercase()
}

/// How AWS names a member in messages: `StreamARN` is `streamARN`.
pub(super) fn in_messages(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_ascii_lowercase().to_string() + characters.as_str()
    })
}

/// The name of an enum's variant: `AT_SEQUENCE_NUMBER` is `AtSequenceNumber`.
pub(super) fn variant(value: &str) -> String {
    if value.contains(|c: char| c.is_ascii_lowercase()) {
        return value.to_owned();
    }
    value
        .split('_')
        .map(|word| {
            let lower = word.to_ascii_lowercase();
            let mut characters = lower.chars();
            characters.next().map_or_else(String::new, |first| {
                first.to_ascii_uppercase().to_string() + characters.as_str()
            })
        })
        .collect()
}

fn snake(name: &str) -> String {
    // Units are one word.
    let name = name.replace("KiB", "Kib").replace("MiB", "Mib");
    let characters: Vec<char> = name.chars().collect();
    let mut words = String::new();
    for (at, c) in characters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| characters.get(at));
        let after = characters.get(at + 1);
        let begins = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                !before.is_ascii_uppercase() || after.is_some_and(char::is_ascii_lowercase)
            });
        if begins {
            words.push('_');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_words() {
        for (name, expected) in [
            ("StreamARN", "stream_arn"),
            ("MaxRecordSizeInKiB", "max_record_size_in_kib"),
            ("WarmThroughputMiBps", "warm_throughput_mibps"),
            ("S3TablesConfigurationList", "s3_tables_configuration_list"),
            ("GSRSchemaARN", "gsr_schema_arn"),
            ("Type", "r#type"),
            ("message", "message"),
        ] {
            assert_eq!(field(name), expected);
        }
    }

    #[test]
    fn values_are_variants() {
        for (value, expected) in [
            ("AT_SEQUENCE_NUMBER", "AtSequenceNumber"),
            ("KMS", "Kms"),
            ("IncomingBytes", "IncomingBytes"),
        ] {
            assert_eq!(variant(value), expected);
        }
    }

    #[test]
    fn messages_begin_in_lower_case() {
        assert_eq!(in_messages("StreamARN"), "streamARN");
        assert_eq!(in_messages("Records"), "records");
    }
}
