//! Put and PutBatches: carried out by the reading task, so that what arrives first is appended
//! first. While there is no room, nothing is read from the socket.

use std::sync::Arc;

use millstream_wire::{BatchEntry, ErrorAnswer, ErrorCode, FrameHeader, MAX_PUT_RECORDS};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    connection::{Connection, End},
    fault,
    incoming::{LARGE_BUFFER, ReceiveError},
    outgoing::{Out, Pending, Slot},
};
use crate::service::{Patience, PendingBatches, ServiceError, Stream};

impl Connection {
    pub(super) async fn put(
        &mut self,
        header: FrameHeader,
        stream: &str,
        slot: Slot,
    ) -> Result<(), End> {
        let service = Arc::clone(&self.context.service);
        let stream = match service.served(stream) {
            Ok(stream) => stream,
            Err(error) => {
                let error = fault::answer(&self.context, &error);
                return self.refuse(header, error).await;
            }
        };
        let most = MAX_PUT_RECORDS as usize;
        let len = header.payload_len;
        let pending = if len <= LARGE_BUFFER {
            let payload = self.incoming.take(len).await?;
            service.put(&stream, payload, most).await
        } else {
            let receiving = self.may_receive(len).await?;
            let mut payload = vec![0; len];
            self.incoming.read_into(&mut payload).await?;
            let pending = service.put(&stream, &payload, most).await;
            drop(receiving);
            pending
        };
        match pending {
            Ok(pending) => {
                let out = Out::Put {
                    correlation: header.correlation,
                    pending: Pending::Records(pending),
                    slot,
                };
                Ok(self.answers.put(out).await?)
            }
            Err(error) => self.answer(header.correlation, Err(error)).await,
        }
    }

    pub(super) async fn put_batches(
        &mut self,
        header: FrameHeader,
        stream: &str,
        entries: &[BatchEntry],
        slot: Slot,
    ) -> Result<(), End> {
        let sum: u64 = entries.iter().map(|entry| u64::from(entry.len)).sum();
        if sum != header.payload_len as u64 {
            let payload = header.payload_len;
            let message = format!("batches of {sum} bytes in a payload of {payload}");
            let error = ErrorAnswer::new(ErrorCode::BadRequest, message);
            return self.refuse(header, error).await;
        }
        let service = Arc::clone(&self.context.service);
        let stream = match service.served(stream) {
            Ok(stream) => stream,
            Err(error) => {
                let error = fault::answer(&self.context, &error);
                return self.refuse(header, error).await;
            }
        };
        let mut pending = PendingBatches::new(Arc::clone(&stream), entries.len());
        let patience = service.patience();
        for entry in entries {
            let taken = self.put_batch(&stream, *entry, patience).await?;
            pending.push(taken);
        }
        let out = Out::Put {
            correlation: header.correlation,
            pending: Pending::Batches(pending),
            slot,
        };
        Ok(self.answers.put(out).await?)
    }

    /// Receives one batch where it is to be written from, and appends it. The outer error ends
    /// the connection, the inner one is the batch's.
    async fn put_batch(
        &mut self,
        stream: &Stream,
        entry: BatchEntry,
        patience: Patience,
    ) -> Result<Result<millstream_engine::Ticket, ServiceError>, End> {
        let service = Arc::clone(&self.context.service);
        let len = entry.len as usize;
        let shard = match service.admit(stream, entry.shard, len) {
            Ok(shard) => shard,
            Err(error) => {
                self.incoming.skip(len).await?;
                return Ok(Err(error));
            }
        };
        let receiving = self.may_receive(len).await?;
        let mut buffer = match service.buffer(len, patience).await {
            Ok(buffer) => buffer,
            Err(error) => {
                self.incoming.skip(len).await?;
                return Ok(Err(error));
            }
        };
        let Some(room) = buffer.get_mut(..len) else {
            self.incoming.skip(len).await?;
            let defect = "a buffer is smaller than was asked for".to_owned();
            return Ok(Err(ServiceError::Defect(defect)));
        };
        self.incoming.read_into(room).await?;
        drop(receiving);
        let (place, shard) = shard;
        Ok(service
            .append_ready(stream, (place, &shard), buffer, len, patience)
            .await)
    }

    /// Waits until `len` bytes of payload may be received. What is here already needs no leave,
    /// and a payload over the whole allowance takes all of it.
    async fn may_receive(&self, len: usize) -> Result<Option<OwnedSemaphorePermit>, ReceiveError> {
        if self.incoming.has(len) {
            return Ok(None);
        }
        let bytes = u32::try_from(len).unwrap_or(u32::MAX);
        let bytes = bytes.min(self.context.receiving_bytes);
        let receiving = Arc::clone(&self.context.receiving);
        let leave = receiving.acquire_many_owned(bytes).await;
        leave.map(Some).map_err(|_| ReceiveError::Closed)
    }
}
