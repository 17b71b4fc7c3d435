package healer

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"
)

const (
	// mostQueued bounds the events that wait for a sink that stands still.
	mostQueued = 10_000
	// bufferedEvents is how many events at least are kept for readers.
	bufferedEvents = 1000
	// recentEvents is how many events a [Status] holds, and with how many a
	// reader begins that gives no position.
	recentEvents = 200
)

// broadcast numbers events, hands them to the sinks in order, from one
// goroutine, and buffers the latest for readers. A slow sink delays the other
// sinks; nothing delays the goroutine that adds an event.
type broadcast struct {
	sinks []Sink

	mu     sync.Mutex
	queue  []Event
	buffer []Event       // with consecutive IDs
	last   uint64        // the ID of the latest event
	added  chan struct{} // closed when an event is added
	wake   chan struct{}
}

// newBroadcast numbers from the microseconds of a time, so that the numbers go
// on rising after a restart, and are exact where a number is a float64.
func newBroadcast(sinks []Sink, started time.Time) *broadcast {
	return &broadcast{sinks: sinks, last: uint64(max(0, started.UnixMicro())), added: make(chan struct{}), wake: make(chan struct{}, 1)}
}

func (b *broadcast) add(e Event) {
	b.mu.Lock()
	b.last++
	e.ID = b.last
	if len(b.queue) >= mostQueued {
		b.queue = slices.Delete(b.queue, 0, 1) // a sink stands still; the latest matter more
	}
	b.queue = append(b.queue, e)
	b.buffer = append(b.buffer, e)
	if len(b.buffer) >= 2*bufferedEvents {
		b.buffer = slices.Clone(b.buffer[len(b.buffer)-bufferedEvents:])
	}
	close(b.added)
	b.added = make(chan struct{})
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// run hands events on until stop is closed and the queue is empty.
func (b *broadcast) run(stop <-chan struct{}) {
	for {
		b.mu.Lock()
		batch := b.queue
		b.queue = nil
		b.mu.Unlock()
		for _, e := range batch {
			for _, s := range b.sinks {
				s.Emit(e)
			}
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-b.wake:
		case <-stop:
			b.mu.Lock()
			empty := len(b.queue) == 0
			b.mu.Unlock()
			if empty {
				return
			}
		}
	}
}

// latest returns the last events, oldest first.
func (b *broadcast) latest() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Event{}, b.buffer[max(0, len(b.buffer)-recentEvents):]...)
}

// since returns the buffered events after a position, and a channel that is
// closed when there are more. lost is true where events after it are no longer
// buffered.
func (b *broadcast) since(after uint64) (events []Event, more <-chan struct{}, lost bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := b.last - uint64(len(b.buffer)) + 1
	lost = after+1 < first
	skip := 0
	if after >= first {
		skip = int(min(after-first+1, uint64(len(b.buffer))))
	}
	return slices.Clone(b.buffer[skip:]), b.added, lost
}

// start is the position before the first event for a new reader. One that was
// never given out, by a healer whose clock was ahead, is none.
func (b *broadcast) start(after uint64) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if after == 0 || after > b.last {
		return b.last - uint64(min(len(b.buffer), recentEvents))
	}
	return max(after, b.last-uint64(len(b.buffer)))
}

// events implements [Healer.Events].
func (b *broadcast) events(ctx context.Context, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		at := b.start(after)
		for ctx.Err() == nil {
			events, more, lost := b.since(at)
			if lost {
				yield(Event{}, ErrEventsLost)
				return
			}
			for _, e := range events {
				if ctx.Err() != nil || !yield(e, nil) {
					return
				}
				at = e.ID
			}
			if len(events) > 0 {
				continue
			}
			select {
			case <-more:
			case <-ctx.Done():
			}
		}
	}
}
