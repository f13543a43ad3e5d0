//! PutMetricData of CloudWatch: what client libraries tell of themselves, kept as counters.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use serde::de::{self, Deserializer, MapAccess};

use super::{
    answer::RequestId,
    body::{
        self, Encoding, Path, Structure, Validate, Value, Violations, ignore, member, structure,
    },
    fault::{Fault, FaultKind},
    target::Dialect,
};

/// Most series that are kept; what comes beyond is dropped, and counted.
const MOST_SERIES: usize = 10_000;
/// Most metrics in one request.
const MOST_METRICS: usize = 1000;
/// Most values of one metric.
const MOST_VALUES: usize = 150;
/// Longest namespace or name.
const NAME_CHARS: usize = 255;

/// What was told, summed up.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    series: HashMap<String, HashMap<String, Series>>,
    count: usize,
    dropped: u64,
}

/// One metric of one namespace, since the server started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Series {
    /// Samples.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The value that came last.
    pub last: f64,
}

impl Counters {
    /// Takes the body of a request in, all of it or nothing.
    ///
    /// # Errors
    /// `SerializationException` or `ValidationException` when it is not as it has to be.
    pub(super) fn put(&self, dialect: Dialect, body: &[u8]) -> Result<(), Fault> {
        let input = match dialect {
            Dialect::Query => of_form(body)?,
            Dialect::RpcCbor => body::decode(Encoding::Cbor11, body)?,
            Dialect::Targeted(encoding) => body::decode(encoding, body)?,
            Dialect::Unknown => PutMetricDataInput::default(),
        };
        let namespace = input.namespace.unwrap_or_default();
        check_name("namespace", &namespace)?;
        let data = input.metric_data.unwrap_or_default();
        if data.len() > MOST_METRICS {
            return Err(invalid(format!(
                "Value at 'metricData' failed to satisfy constraint: Member must have length less than or equal to {MOST_METRICS}"
            )));
        }
        for datum in &data {
            check_name(
                "metricName",
                datum.metric_name.as_deref().unwrap_or_default(),
            )?;
            let values = datum.values.as_ref().map_or(0, Vec::len);
            if values > MOST_VALUES {
                return Err(invalid(format!(
                    "Value at 'metricData.values' failed to satisfy constraint: Member must have length less than or equal to {MOST_VALUES}"
                )));
            }
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for datum in data {
            kept.add(&namespace, &datum);
        }
        Ok(())
    }

    /// Every series with its namespace and name, sorted, and how many samples were dropped.
    #[cfg(test)]
    pub(crate) fn all(&self) -> (Vec<(String, String, Series)>, u64) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = kept
            .series
            .iter()
            .flat_map(|(namespace, metrics)| {
                let named =
                    |(name, series): (&String, &Series)| (namespace.clone(), name.clone(), *series);
                metrics.iter().map(named)
            })
            .collect();
        all.sort_by(|(n, m, _), (o, k, _)| (n, m).cmp(&(o, k)));
        (all, kept.dropped)
    }
}

impl Kept {
    fn add(&mut self, namespace: &str, datum: &MetricDatum<'_>) {
        let name = datum.metric_name.as_deref().unwrap_or_default();
        let there = self
            .series
            .get(namespace)
            .is_some_and(|metrics| metrics.contains_key(name));
        if !there && self.count >= MOST_SERIES {
            self.dropped += 1;
            return;
        }
        self.count += usize::from(!there);
        let metrics = self.series.entry(namespace.to_owned()).or_default();
        datum.add_to(metrics.entry(name.to_owned()).or_default());
    }
}

fn check_name(what: &str, name: &str) -> Result<(), Fault> {
    if (1..=NAME_CHARS).contains(&name.chars().count()) {
        return Ok(());
    }
    Err(invalid(format!(
        "Value at '{what}' failed to satisfy constraint: Member must have length between 1 and {NAME_CHARS}"
    )))
}

fn invalid(message: String) -> Fault {
    Fault::new(FaultKind::ValidationException, message)
}

/// The answer to a request that was taken in.
pub(super) fn taken(dialect: Dialect, id: &RequestId) -> Bytes {
    match dialect {
        Dialect::RpcCbor | Dialect::Targeted(Encoding::Cbor11) => Bytes::from_static(&[0xa0]),
        Dialect::Targeted(_) => Bytes::from_static(b"{}"),
        Dialect::Query | Dialect::Unknown => {
            let id = id.text();
            format!("<PutMetricDataResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\">\n  <ResponseMetadata>\n    <RequestId>{id}</RequestId>\n  </ResponseMetadata>\n</PutMetricDataResponse>\n").into()
        }
    }
}

#[derive(Debug, Default)]
struct PutMetricDataInput<'a> {
    namespace: Option<Cow<'a, str>>,
    metric_data: Option<Vec<MetricDatum<'a>>>,
}

#[derive(Debug, Default)]
struct MetricDatum<'a> {
    metric_name: Option<Cow<'a, str>>,
    value: Option<Number>,
    statistic_values: Option<StatisticSet>,
    values: Option<Vec<Number>>,
    counts: Option<Vec<Number>>,
}

#[derive(Debug, Default)]
struct StatisticSet {
    sample_count: Option<Number>,
    sum: Option<Number>,
}

impl MetricDatum<'_> {
    fn add_to(&self, series: &mut Series) {
        let mut add = |count: f64, sum: f64, last: f64| {
            // What is not a number would take the whole sum with it.
            if count.is_finite() && sum.is_finite() && count > 0.0 {
                series.count += count;
                series.sum += sum;
                series.last = last;
            }
        };
        if let Some(Number(value)) = self.value {
            add(1.0, value, value);
        }
        if let Some(set) = &self.statistic_values {
            let Number(count) = set.sample_count.unwrap_or_default();
            let Number(sum) = set.sum.unwrap_or_default();
            add(count, sum, sum / count);
        }
        let counts = self.counts.as_deref().unwrap_or_default();
        for (at, Number(value)) in self.values.iter().flatten().enumerate() {
            let count = counts.get(at).map_or(1.0, |count| count.0);
            add(count, count * value, *value);
        }
    }
}

/// A number of any form.
#[derive(Debug, Clone, Copy, Default)]
struct Number(f64);

impl<'de> Value<'de> for Number {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Number, D::Error> {
        struct Double;
        impl de::Visitor<'_> for Double {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a Double")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }
        }
        from.deserialize_any(Double)
    }
}

impl<'de> Structure<'de> for PutMetricDataInput<'de> {
    fn read_member<A: MapAccess<'de>>(&mut self, name: &str, from: &mut A) -> Result<(), A::Error> {
        match name {
            "Namespace" => member(&mut self.namespace, name, from),
            "MetricData" => member(&mut self.metric_data, name, from),
            _ => ignore(from),
        }
    }
}

impl Validate for PutMetricDataInput<'_> {
    const NAME: &'static str = "PutMetricDataInput";

    // Checked where it is taken in, for all dialects alike.
    fn validate(&self, _: &Path<'_>, _: &mut Violations) {}
}

impl<'de> Structure<'de> for MetricDatum<'de> {
    fn read_member<A: MapAccess<'de>>(&mut self, name: &str, from: &mut A) -> Result<(), A::Error> {
        match name {
            "MetricName" => member(&mut self.metric_name, name, from),
            "Value" => member(&mut self.value, name, from),
            "StatisticValues" => member(&mut self.statistic_values, name, from),
            "Values" => member(&mut self.values, name, from),
            "Counts" => member(&mut self.counts, name, from),
            _ => ignore(from),
        }
    }
}

impl<'de> Structure<'de> for StatisticSet {
    fn read_member<A: MapAccess<'de>>(&mut self, name: &str, from: &mut A) -> Result<(), A::Error> {
        match name {
            "SampleCount" => member(&mut self.sample_count, name, from),
            "Sum" => member(&mut self.sum, name, from),
            _ => ignore(from),
        }
    }
}

impl<'de> Value<'de> for PutMetricDataInput<'de> {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        structure(from)
    }
}

impl<'de> Value<'de> for MetricDatum<'de> {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        structure(from)
    }
}

impl<'de> Value<'de> for StatisticSet {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        structure(from)
    }
}

/// Reads a form: `MetricData.member.1.StatisticValues.Sum=7`.
fn of_form(body: &[u8]) -> Result<PutMetricDataInput<'_>, Fault> {
    let mut namespace = None;
    let mut data: BTreeMap<u32, MetricDatum<'_>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        if name == "Namespace" {
            namespace = Some(value);
            continue;
        }
        let Some(rest) = name.strip_prefix("MetricData.member.") else {
            continue;
        };
        let Some((at, rest)) = rest.split_once('.') else {
            continue;
        };
        let at: u32 = at.parse().map_err(|_| malformed(&name))?;
        let number = || value.parse().map(Number).map_err(|_| malformed(&name));
        let datum = data.entry(at).or_default();
        match rest {
            "MetricName" => datum.metric_name = Some(value),
            "Value" => datum.value = Some(number()?),
            "StatisticValues.SampleCount" => {
                datum.statistic_values.get_or_insert_default().sample_count = Some(number()?);
            }
            "StatisticValues.Sum" => {
                datum.statistic_values.get_or_insert_default().sum = Some(number()?);
            }
            rest if rest.starts_with("Values.member.") => {
                datum.values.get_or_insert_default().push(number()?);
            }
            rest if rest.starts_with("Counts.member.") => {
                datum.counts.get_or_insert_default().push(number()?);
            }
            _ => {}
        }
        if data.len() > MOST_METRICS {
            break;
        }
    }
    Ok(PutMetricDataInput {
        namespace,
        metric_data: Some(data.into_values().collect()),
    })
}

fn malformed(name: &str) -> Fault {
    let shown: String = name.chars().take(NAME_CHARS).collect();
    let message = format!("the value of {shown:?} is no number");
    Fault::new(FaultKind::SerializationException, message)
}

#[cfg(test)]
mod tests;
