use std::sync::atomic::AtomicUsize;

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn those_are_woken_whose_position_is_reached_and_each_once() {
    let watermark = Watermark::new(0);
    let counts: Vec<_> = (0..10).map(|_| Arc::new(Count::default())).collect();
    let mut places: Vec<_> = (0..10).map(|_| Place::default()).collect();
    for (i, count) in counts.iter().enumerate() {
        let waker = Waker::from(Arc::clone(count));
        watermark.register(i as u64 / 2, &mut places[i], &waker);
    }
    watermark.publish(2);
    watermark.wake_reached();
    watermark.wake_reached();
    let woken: Vec<_> = counts.iter().map(|c| c.0.load(Ordering::SeqCst)).collect();
    assert_eq!(woken, [1, 1, 1, 1, 1, 1, 0, 0, 0, 0]);
    assert_eq!(watermark.waiting(), 4);
    watermark.wake_all();
    assert!(counts.iter().all(|c| c.0.load(Ordering::SeqCst) == 1));
    assert_eq!(watermark.waiting(), 0);
}

#[test]
fn asking_again_and_giving_up_leave_nothing_behind() {
    let watermark = Watermark::new(0);
    let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let mut place = Place::default();
    for _ in 0..1000 {
        watermark.register(5, &mut place, &Waker::from(Arc::clone(&first)));
    }
    watermark.register(5, &mut place, &Waker::from(Arc::clone(&second)));
    assert_eq!((watermark.waiting(), Arc::strong_count(&first)), (1, 1));
    watermark.register(7, &mut place, &Waker::from(Arc::clone(&second)));
    assert_eq!(watermark.waiting(), 1);
    watermark.leave(&mut place);
    watermark.leave(&mut place);
    assert_eq!((watermark.waiting(), Arc::strong_count(&second)), (0, 1));
    watermark.publish(9);
    watermark.wake_reached();
    assert_eq!(second.0.load(Ordering::SeqCst), 0);
}

#[test]
fn more_waiters_than_any_cap_wait_without_waking_each_other() {
    let watermark = Watermark::new(0);
    let count = Arc::new(Count::default());
    let mut places: Vec<_> = (0..10_000).map(|_| Place::default()).collect();
    for place in &mut places {
        watermark.register(1, place, &Waker::from(Arc::clone(&count)));
    }
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    watermark.publish(1);
    watermark.wake_reached();
    assert_eq!(count.0.load(Ordering::SeqCst), 10_000);
}
