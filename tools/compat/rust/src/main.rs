//! The suite of the AWS SDK for Rust: JSON over HTTP/1.1, and its event stream.

mod cases;
mod kit;

use std::{env, process::ExitCode, time::Instant};

use kit::{Kit, OPERATIONS, Outcome, Trouble};

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let (mut ran, mut failed, mut skipped) = (0, 0, 0);
    macro_rules! run {
        ($($name:ident)*) => {$(
            let name = stringify!($name);
            if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
                ran += 1;
                let mut kit = Kit::new(name).await;
                let start = Instant::now();
                let outcome: Outcome = cases::$name(&mut kit).await;
                let (verdict, reason) = match outcome {
                    Ok(()) => ("ok", String::new()),
                    Err(Trouble::Skipped(why)) => {
                        skipped += 1;
                        ("skip", format!(": {why}"))
                    }
                    Err(Trouble::Failed(why)) => {
                        failed += 1;
                        ("FAIL", format!(": {why}"))
                    }
                };
                println!("{verdict:4} {:6.2} s  {name}{reason}", start.elapsed().as_secs_f64());
                kit.clean_up().await;
            }
        )*};
    }
    run!(life_of_a_stream records iterators resharding large_records dry_runs fan_out
         fan_out_ends_with_children tags_and_policies consumers account_settings errors
         wrong_credentials caller_identity);
    let touched = OPERATIONS
        .lock()
        .map(|names| names.iter().cloned().collect::<Vec<_>>());
    let touched = touched.unwrap_or_default().join(",");
    println!("compat: cases={ran} failed={failed} skipped={skipped} operations={touched}");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
