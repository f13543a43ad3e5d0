//! DescribeLimits.

use crate::kinesis::{
    Front,
    description::count,
    fault::Fault,
    model::{input::DescribeLimitsInput, output::DescribeLimitsOutput},
};

/// What is said where there is no limit: the most that the model can say, as clients plan by it.
const UNLIMITED: i32 = 1_000_000;

pub(in crate::kinesis) async fn run(
    front: &Front,
    _: DescribeLimitsInput,
) -> Result<DescribeLimitsOutput, Fault> {
    front.count_call("DescribeLimits", "")?;
    let usage = front.service.usage();
    let quotas = &front.service.settings().quotas;
    let limit = |limit: Option<u32>| Some(limit.map_or(UNLIMITED, |limit| count(limit as usize)));
    Ok(DescribeLimitsOutput {
        shard_limit: limit(quotas.shards),
        open_shard_count: Some(count(usage.open_shards)),
        on_demand_stream_count: Some(count(usage.on_demand_streams)),
        on_demand_stream_count_limit: limit(quotas.on_demand_streams),
        channel_count: None,
        channel_count_limit: None,
    })
}
