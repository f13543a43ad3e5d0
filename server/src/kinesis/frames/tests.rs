use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[tokio::test]
async fn a_frame_is_made_when_it_is_asked_for() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let mut frames = Frames::new(|slot| async move {
        for number in 0..3 {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            slot.put(vec![number; 3].into()).await;
        }
    });
    assert_eq!(made.load(Ordering::Relaxed), 0);
    for number in 0..3 {
        assert_eq!(frames.next().await.unwrap(), vec![number; 3]);
        assert_eq!(made.load(Ordering::Relaxed), usize::from(number) + 1);
    }
    assert!(frames.next().await.is_none());
    assert!(frames.next().await.is_none());
}

#[tokio::test]
async fn who_makes_them_goes_with_them() {
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    let mut frames = Frames::new(|slot| async move {
        slot.put(Bytes::from_static(b"first")).await;
        std::future::pending::<()>().await;
        drop(kept);
    });
    assert_eq!(frames.next().await.unwrap(), "first");
    assert_eq!(Arc::strong_count(&held), 2);
    drop(frames);
    assert_eq!(Arc::strong_count(&held), 1);
}
