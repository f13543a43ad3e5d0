//! A figure: what rounds said of it, the limit or the peers beside it, and whether it meets its
//! bar.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::{
    device_counts::DeviceCounts,
    statistics::{Spread, median},
};

/// What a figure has to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bar {
    /// At least so many times the limit; where peers stand beside it, the best peer.
    Times(f64),
    /// At least so many times the limit, or this value, whichever is less.
    TimesOrValue(f64, f64),
    /// At most so many times the limit.
    AtMostTimes(f64),
    /// At least this value.
    AtLeast(f64),
    /// At most this value.
    AtMost(f64),
    /// It is only shown.
    Shown,
}

impl Bar {
    /// The number to be reached, beside a limit: a ratio where there is a limit, else a value.
    fn beside(self, limit: Option<f64>) -> Option<f64> {
        match self {
            Bar::Times(times) | Bar::AtMostTimes(times) => limit.map(|_| times),
            Bar::TimesOrValue(times, value) => limit.map(|limit| times.min(value / limit)),
            Bar::AtLeast(value) | Bar::AtMost(value) => Some(value),
            Bar::Shown => None,
        }
    }

    /// Whether less is better.
    pub(crate) fn is_ceiling(self) -> bool {
        matches!(self, Bar::AtMost(_) | Bar::AtMostTimes(_))
    }

    /// Whether the bar is a value, and not a ratio.
    fn is_value(self) -> bool {
        matches!(self, Bar::AtLeast(_) | Bar::AtMost(_))
    }
}

/// What a peer gave in a round.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PeerValue {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// All that its program said.
    pub(crate) line: Value,
}

/// Latencies that are drawn.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    /// In nanoseconds.
    pub(crate) latencies: Histogram<u64>,
}

/// What one round says of a figure.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) figure: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    /// In the same unit.
    pub(crate) limit: Option<f64>,
    /// In the same unit.
    pub(crate) peers: Vec<PeerValue>,
    pub(crate) bar: Bar,
    /// What an acknowledgement meant, where something was acknowledged.
    pub(crate) durability: Option<&'static str>,
    /// More of it.
    pub(crate) details: Vec<(&'static str, f64)>,
    pub(crate) curves: Vec<Curve>,
}

impl Outcome {
    pub(crate) fn new(figure: impl Into<String>, unit: &'static str, ours: f64) -> Outcome {
        Outcome {
            figure: figure.into(),
            unit,
            ours,
            limit: None,
            peers: Vec::new(),
            bar: Bar::Shown,
            durability: None,
            details: Vec::new(),
            curves: Vec::new(),
        }
    }

    pub(crate) fn durable(mut self) -> Outcome {
        self.durability = Some("durable");
        self
    }

    pub(crate) fn limit(mut self, limit: f64) -> Outcome {
        self.limit = Some(limit);
        self
    }

    pub(crate) fn bar(mut self, bar: Bar) -> Outcome {
        self.bar = bar;
        self
    }

    pub(crate) fn detail(mut self, name: &'static str, value: f64) -> Outcome {
        self.details.push((name, value));
        self
    }

    pub(crate) fn details(mut self, more: &[(&'static str, f64)]) -> Outcome {
        self.details.extend_from_slice(more);
        self
    }

    /// What the device did meanwhile.
    pub(crate) fn device(self, counts: DeviceCounts) -> Outcome {
        self.detail("device_writes", counts.writes as f64)
            .detail("device_written_mb", counts.bytes as f64 / 1e6)
            .detail("device_flushes", counts.flushes as f64)
    }

    pub(crate) fn curve(mut self, name: &'static str, latencies: &Histogram<u64>) -> Outcome {
        let latencies = latencies.clone();
        self.curves.push(Curve { name, latencies });
        self
    }

    /// The line of a round.
    pub(crate) fn line(&self, round: usize) -> Value {
        let details: Map<String, Value> = self
            .details
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let peers: Vec<&Value> = self.peers.iter().map(|peer| &peer.line).collect();
        json!({
            "kind": "outcome",
            "round": round,
            "figure": self.figure,
            "unit": self.unit,
            "ours": self.ours,
            "limit": self.limit,
            "durability": self.durability,
            "details": details,
            "peers": peers,
        })
    }
}

/// What all rounds say of a figure.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Spread,
    pub(crate) limit: Option<Spread>,
    /// Medians of the peers, the best one first.
    pub(crate) peers: Vec<(String, f64)>,
    /// Of ours to the best peer or to the limit, each within a round (but where the bar may be a
    /// value the median is the quotient of the medians).
    pub(crate) ratio: Option<Spread>,
    pub(crate) bar: Option<f64>,
    pub(crate) is_ceiling: bool,
    pub(crate) met: Option<bool>,
    durability: Option<&'static str>,
    rounds: usize,
    /// Medians.
    pub(crate) details: Vec<(&'static str, f64)>,
}

impl Figure {
    /// The figure of its outcomes; `None` of none.
    pub(crate) fn of(outcomes: &[&Outcome]) -> Option<Figure> {
        let first = outcomes.first()?;
        let values = |of: &dyn Fn(&Outcome) -> Option<f64>| -> Vec<f64> {
            outcomes
                .iter()
                .filter_map(|outcome| of(outcome))
                .filter(|value| value.is_finite())
                .collect()
        };
        let ours = Spread::of(&values(&|outcome| Some(outcome.ours)))?;
        let peers = peers(outcomes);
        // One peer for all rounds: the best of each round would be luck.
        let best = peers.first().map(|(name, _)| name.clone());
        let beside = |outcome: &Outcome| match &best {
            Some(best) => {
                let mut peers = outcome.peers.iter();
                peers.find(|peer| peer.name == *best).map(|peer| peer.value)
            }
            None => outcome.limit,
        };
        let mut ratio = Spread::of(&values(&|outcome| Some(outcome.ours / beside(outcome)?)));
        let beside = median(&values(&beside));
        if let (Bar::TimesOrValue(..), Some(ratio), Some(beside)) = (first.bar, &mut ratio, beside)
        {
            // The value is for ours as it is told, and no ratio of a round knows of it.
            ratio.median = ours.median / beside;
        }
        let bar = first.bar.beside(beside);
        let reached = match first.bar.is_value() {
            true => Some(ours.median),
            false => ratio.map(|ratio| ratio.median),
        };
        let met = bar.zip(reached).map(|(bar, reached)| match first.bar {
            bound if bound.is_ceiling() => reached <= bar,
            _ => reached >= bar,
        });
        let names = first.details.iter().map(|(name, _)| *name);
        let details = names
            .filter_map(|name| {
                let detail = |outcome: &Outcome| {
                    let mut details = outcome.details.iter();
                    details.find(|(other, _)| *other == name).map(|(_, v)| *v)
                };
                Some((name, median(&values(&detail))?))
            })
            .collect();
        Some(Figure {
            name: first.figure.clone(),
            unit: first.unit,
            ours,
            limit: Spread::of(&values(&|outcome| outcome.limit)),
            peers,
            ratio,
            bar,
            is_ceiling: first.bar.is_ceiling(),
            met,
            durability: first.durability,
            rounds: outcomes.len(),
            details,
        })
    }

    /// The line of the results.
    pub(crate) fn line(&self) -> Value {
        let best = self.peers.first();
        let mut details = Map::new();
        let mut put = |name: &str, value: f64| {
            details.insert(name.to_owned(), json!(rounded(value)));
        };
        put("rounds", self.rounds as f64);
        let spreads = [
            ("ours", Some(self.ours)),
            ("limit", self.limit),
            ("ratio", self.ratio),
        ];
        for (name, spread) in spreads {
            if let Some(spread) = spread {
                put(&format!("{name}_low"), spread.low);
                put(&format!("{name}_high"), spread.high);
            }
        }
        for (name, value) in &self.peers {
            put(&format!("peer_{name}"), *value);
        }
        for (name, value) in &self.details {
            put(name, *value);
        }
        let bar_is = match self.is_ceiling {
            true => "at most",
            false => "at least",
        };
        details.insert("bar_is".to_owned(), json!(self.bar.map(|_| bar_is)));
        json!({
            "figure": self.name,
            "ours": rounded(self.ours.median),
            "limit": self.limit.map(|limit| rounded(limit.median)),
            "best_peer": best.map(|(_, value)| rounded(*value)),
            "best_peer_name": best.map(|(name, _)| name),
            "ratio": self.ratio.map(|ratio| rounded(ratio.median)),
            "bar": self.bar.map(rounded),
            "met": self.met,
            "unit": self.unit,
            "durability": self.durability,
            "details": details,
        })
    }

    /// A detail by its name.
    pub(crate) fn detail(&self, name: &str) -> Option<f64> {
        let mut details = self.details.iter();
        details.find(|(other, _)| *other == name).map(|(_, v)| *v)
    }
}

/// Medians of the peers over the rounds, the best first.
fn peers(outcomes: &[&Outcome]) -> Vec<(String, f64)> {
    let mut names: Vec<&str> = Vec::new();
    for peer in outcomes.iter().flat_map(|outcome| &outcome.peers) {
        if !names.contains(&peer.name.as_str()) {
            names.push(&peer.name);
        }
    }
    let mut peers: Vec<(String, f64)> = names
        .into_iter()
        .filter_map(|name| {
            let of_peer = outcomes.iter().flat_map(|outcome| &outcome.peers);
            let values: Vec<f64> = of_peer
                .filter(|peer| peer.name == name)
                .map(|peer| peer.value)
                .collect();
            Some((name.to_owned(), median(&values)?))
        })
        .collect();
    peers.sort_by(|a, b| b.1.total_cmp(&a.1));
    peers
}

/// To five digits: more would be noise.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = 4 - value.abs().log10().floor() as i32;
    if digits <= 0 {
        return value.round();
    }
    let scale = 10f64.powi(digits.min(12));
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests;
