//! Text as servers log it, made from a seed: the same on every machine, and about as random as
//! real lines are.

use std::fmt::Write;

use crate::noise::Noise;

const LEVELS: [&str; 8] = [
    "INFO", "INFO", "INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR",
];
const MODULES: [&str; 8] = [
    "http.access",
    "http.router",
    "auth.session",
    "billing.invoice",
    "search.index",
    "cache.lru",
    "db.pool",
    "queue.worker",
];
const METHODS: [&str; 6] = ["GET", "GET", "GET", "POST", "PUT", "DELETE"];
const PATHS: [&str; 10] = [
    "/api/v2/orders/",
    "/api/v2/customers/",
    "/api/v2/carts/",
    "/api/v1/products/",
    "/static/img/",
    "/search?q=",
    "/login?next=",
    "/healthz?probe=",
    "/api/v2/invoices/",
    "/webhooks/payment/",
];
const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
    "curl/8.9.1",
    "okhttp/4.12.0",
    "kube-probe/1.30",
];
const MESSAGES: [&str; 8] = [
    "request completed",
    "slow query, the plan was not cached",
    "session refreshed",
    "retrying after a timeout of the upstream",
    "connection returned to the pool",
    "rate limit is near for this tenant",
    "payload was accepted",
    "cache miss, fetched from the origin",
];

/// `len` bytes of lines.
pub(crate) fn lines(seed: u64, len: usize) -> Vec<u8> {
    let mut noise = Noise::new(seed);
    let mut text = String::with_capacity(len + 512);
    let mut milliseconds = 1_700_000_000_000 + noise.next() % 1_000_000_000;
    while text.len() < len {
        milliseconds += noise.next() % 40;
        line(&mut text, &mut noise, milliseconds);
    }
    let mut bytes = text.into_bytes();
    bytes.truncate(len);
    bytes
}

fn line(text: &mut String, noise: &mut Noise, milliseconds: u64) {
    let (seconds, day) = (milliseconds / 1000, milliseconds / 86_400_000);
    // Months of 28 days are as long as any other to a compressor.
    let (year, month, date) = (1970 + day / 336, day / 28 % 12 + 1, day % 28 + 1);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let pick = |noise: &mut Noise, of: &[&'static str]| of[noise.next() as usize % of.len()];
    let status = [200, 200, 200, 201, 204, 302, 404, 500][noise.next() as usize % 8];
    let written = writeln!(
        text,
        "{year}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z {} {} \
         host=web-{:02} request={:016x} user={} ip=10.{}.{}.{} \"{} {}{} HTTP/1.1\" {status} \
         bytes={} took={}.{:03}ms agent=\"{}\" msg=\"{}\"",
        milliseconds % 1000,
        pick(noise, &LEVELS),
        pick(noise, &MODULES),
        noise.next() % 24,
        noise.next(),
        noise.next() % 200_000,
        noise.next() % 4,
        noise.next() % 256,
        noise.next() % 256,
        pick(noise, &METHODS),
        pick(noise, &PATHS),
        noise.next() % 10_000_000,
        noise.next() % 65_536,
        noise.next() % 300,
        noise.next() % 1000,
        pick(noise, &AGENTS),
        pick(noise, &MESSAGES),
    );
    debug_assert!(written.is_ok(), "a String takes whatever is written");
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn the_same_seed_gives_the_same_lines() {
        assert_eq!(lines(3, 10_000), lines(3, 10_000));
        assert_ne!(lines(3, 10_000), lines(4, 10_000));
        assert_eq!(lines(3, 10_000).len(), 10_000);
    }
}
