use super::*;

fn taken_in(dialect: Dialect, body: &[u8]) -> Vec<(String, String, Series)> {
    let counters = Counters::default();
    counters.put(dialect, body).unwrap();
    counters.all().0
}

fn expected() -> Vec<(String, String, Series)> {
    let series = |name: &str, count, sum, last| {
        (
            "KPL".to_owned(),
            name.to_owned(),
            Series { count, sum, last },
        )
    };
    vec![
        series("Errors", 1.0, 2.5, 2.5),
        series("Puts", 6.0, 24.0, 3.0),
    ]
}

#[test]
fn a_form_is_summed_up() {
    let form = b"Action=PutMetricData&Version=2010-08-01&Namespace=KPL\
&MetricData.member.1.MetricName=Errors&MetricData.member.1.Value=2.5&MetricData.member.1.Unit=Count\
&MetricData.member.2.MetricName=Puts&MetricData.member.2.StatisticValues.SampleCount=4\
&MetricData.member.2.StatisticValues.Sum=20&MetricData.member.2.StatisticValues.Minimum=1\
&MetricData.member.3.MetricName=Puts&MetricData.member.3.Values.member.1=1&MetricData.member.3.Values.member.2=3";
    assert_eq!(taken_in(Dialect::Query, form), expected());
}

#[test]
fn json_and_cbor_are_summed_up_alike() {
    let json = br#"{"Namespace":"KPL","MetricData":[{"MetricName":"Errors","Value":2.5,"Timestamp":1.7e9,"Dimensions":[{"Name":"a","Value":"b"}]},{"MetricName":"Puts","StatisticValues":{"SampleCount":4,"Sum":20,"Minimum":1,"Maximum":9}},{"MetricName":"Puts","Values":[1,3],"Counts":[1,1]}]}"#;
    assert_eq!(
        taken_in(Dialect::Targeted(Encoding::Json10), json),
        expected()
    );
    let mut cbor = Vec::new();
    let mut to = minicbor::Encoder::new(&mut cbor);
    to.map(2)
        .unwrap()
        .str("Namespace")
        .unwrap()
        .str("KPL")
        .unwrap();
    to.str("MetricData").unwrap().begin_array().unwrap();
    to.map(3)
        .unwrap()
        .str("MetricName")
        .unwrap()
        .str("Errors")
        .unwrap();
    to.str("Value").unwrap().f64(2.5).unwrap();
    to.str("Timestamp")
        .unwrap()
        .tag(minicbor::data::Tag::new(1))
        .unwrap()
        .f64(1.7e9)
        .unwrap();
    to.map(2)
        .unwrap()
        .str("MetricName")
        .unwrap()
        .str("Puts")
        .unwrap();
    to.str("StatisticValues").unwrap().map(2).unwrap();
    to.str("SampleCount")
        .unwrap()
        .u8(4)
        .unwrap()
        .str("Sum")
        .unwrap()
        .f32(20.0)
        .unwrap();
    to.map(2)
        .unwrap()
        .str("MetricName")
        .unwrap()
        .str("Puts")
        .unwrap();
    to.str("Values")
        .unwrap()
        .array(2)
        .unwrap()
        .u8(1)
        .unwrap()
        .f64(3.0)
        .unwrap();
    to.end().unwrap();
    assert_eq!(taken_in(Dialect::RpcCbor, &cbor), expected());
}

#[test]
fn what_is_wrong_is_told_and_nothing_of_it_kept() {
    let counters = Counters::default();
    let refused = |dialect, body: &[u8]| counters.put(dialect, body).unwrap_err().kind();
    let json = Dialect::Targeted(Encoding::Json10);
    let serialization = FaultKind::SerializationException;
    let validation = FaultKind::ValidationException;
    assert_eq!(refused(json, b"{"), serialization);
    assert_eq!(refused(Dialect::RpcCbor, b"\xff"), serialization);
    assert_eq!(
        refused(
            Dialect::Query,
            b"Namespace=a&MetricData.member.1.MetricName=b&MetricData.member.1.Value=x"
        ),
        serialization
    );
    assert_eq!(refused(json, b"{}"), validation);
    assert_eq!(
        refused(
            json,
            br#"{"Namespace":"a","MetricData":[{"MetricName":"b","Value":1},{}]}"#
        ),
        validation
    );
    let many = "{\"MetricName\":\"b\"},".repeat(MOST_METRICS + 1);
    let many = format!(
        "{{\"Namespace\":\"a\",\"MetricData\":[{}]}}",
        many.trim_end_matches(',')
    );
    assert_eq!(refused(json, many.as_bytes()), validation);
    assert_eq!(counters.all(), (Vec::new(), 0));
}

#[test]
fn the_number_of_series_is_bounded() {
    let counters = Counters::default();
    for at in 0..MOST_SERIES + 5 {
        let form =
            format!("Namespace=n&MetricData.member.1.MetricName=m{at}&MetricData.member.1.Value=1");
        counters.put(Dialect::Query, form.as_bytes()).unwrap();
    }
    let (series, dropped) = counters.all();
    assert_eq!((series.len(), dropped), (MOST_SERIES, 5));
    // What is there goes on counting.
    counters
        .put(
            Dialect::Query,
            b"Namespace=n&MetricData.member.1.MetricName=m0&MetricData.member.1.Value=NaN",
        )
        .unwrap();
    counters
        .put(
            Dialect::Query,
            b"Namespace=n&MetricData.member.1.MetricName=m0&MetricData.member.1.Value=1",
        )
        .unwrap();
    assert_eq!(counters.all().0[0].2.sum, 2.0);
}
