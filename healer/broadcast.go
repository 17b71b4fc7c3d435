package healer

import (
	"slices"
	"sync"
)

// mostQueued bounds the events that wait for a sink that stands still.
const mostQueued = 10_000

// broadcast hands events to the sinks in order, from one goroutine, and keeps
// the latest. A slow sink holds up the others, and never who adds an event.
type broadcast struct {
	sinks []Sink

	mu      sync.Mutex
	queue   []Event
	recent  []Event
	wake    chan struct{}
	streams map[chan Event]struct{}
}

func newBroadcast(sinks []Sink) *broadcast {
	return &broadcast{sinks: sinks, wake: make(chan struct{}, 1), streams: map[chan Event]struct{}{}}
}

func (b *broadcast) add(e Event) {
	b.mu.Lock()
	if len(b.queue) >= mostQueued {
		b.queue = slices.Delete(b.queue, 0, 1) // a sink stands still; the latest matter more
	}
	b.queue = append(b.queue, e)
	b.recent = append(b.recent, e)
	if len(b.recent) >= 2*recentEvents {
		b.recent = slices.Clone(b.recent[len(b.recent)-recentEvents:])
	}
	for ch := range b.streams {
		select {
		case ch <- e:
		default: // a reader that does not read loses its stream, not our memory
			delete(b.streams, ch)
			close(ch)
		}
	}
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
	return append([]Event{}, b.recent[max(0, len(b.recent)-recentEvents):]...)
}

// subscribe returns the events from now on, and the latest before them. The
// channel is closed when its reader falls too far behind.
func (b *broadcast) subscribe() (past []Event, ch chan Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch = make(chan Event, 256)
	b.streams[ch] = struct{}{}
	return slices.Clone(b.recent[max(0, len(b.recent)-recentEvents):]), ch
}

func (b *broadcast) unsubscribe(ch chan Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.streams[ch]; ok {
		delete(b.streams, ch)
		close(ch)
	}
}
