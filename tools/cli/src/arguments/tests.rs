use clap::{CommandFactory, error::ErrorKind};

use super::*;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split(' '))
}

#[test]
fn the_definition_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn every_command_has_examples_in_its_help() {
    fn check(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        if command.has_subcommands() {
            for sub in command.get_subcommands().filter(|s| s.get_name() != "help") {
                check(sub, &path);
            }
        } else {
            let help = command.clone().render_long_help().to_string();
            let example = path.trim_start();
            assert!(help.contains("Examples:"), "{path}: no examples");
            let plain = example.split(' ').skip(1).collect::<Vec<_>>().join(" ");
            assert!(help.contains(&plain), "{path}: not in its own examples");
        }
    }
    check(&Arguments::command(), "");
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    for line in [
        "millstream put s f --key k --key-field 1",
        "millstream put s f --raw --key-field 1",
        "millstream put s f --delimiter ,",
        "millstream put s f --key-field 0",
        "millstream get s --from yesterday",
        "millstream get s --shard one",
        "millstream stream create",
        "millstream serve --device floppy",
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        assert_ne!(error.kind(), ErrorKind::DisplayHelp, "{line}");
    }
}

#[test]
fn global_options_go_before_or_after_the_command() {
    for line in [
        "millstream --output json --server h:1 stream list",
        "millstream stream list --output json --server h:1",
    ] {
        let arguments = parse(line).unwrap();
        assert_eq!(arguments.global.output, Output::Json);
        assert_eq!(arguments.global.server, "h:1");
    }
}

#[test]
fn put_reads_standard_input_unless_told_otherwise() {
    let Command::Put(put) = parse("millstream put logs").unwrap().command else {
        panic!("not put");
    };
    assert_eq!(put.file.to_str(), Some("-"));
    assert_eq!(put.retry_for.as_secs(), 60);
}

/// What follows `millstream` in an example: without its comment, or what it is piped to.
fn example(line: &str) -> Option<Vec<&str>> {
    let mut piped = line.strip_prefix("  ")?.split(" | ");
    let call = piped.find_map(|command| command.strip_prefix("millstream "))?;
    Some(call.split("   ").next()?.split_whitespace().collect())
}

#[test]
fn every_example_is_a_command_line_that_is_understood() {
    fn check(command: &mut clap::Command, found: &mut usize) {
        let help = command.render_long_help().to_string();
        for words in help.lines().filter_map(example) {
            let line = words.join(" ");
            let parsed = Arguments::try_parse_from(std::iter::once("millstream").chain(words));
            assert!(parsed.is_ok(), "millstream {line}: {}", parsed.unwrap_err());
            *found += 1;
        }
        for sub in command.get_subcommands_mut() {
            check(sub, found);
        }
    }
    let mut found = 0;
    check(&mut Arguments::command(), &mut found);
    assert!(found > 30, "only {found} examples were found");
}
