package stream

import "time"

// chunk is a run of bytes that may leave the path at due, or the FIN.
type chunk struct {
	due  time.Duration
	data []byte
	fin  bool
}

// queue holds the chunks of one direction of one connection, in order: due never falls.
type queue struct {
	chunks []chunk
	head   int
	bytes  int
}

func (q *queue) empty() bool { return q.head == len(q.chunks) }

// first is the oldest chunk. The queue must not be empty.
func (q *queue) first() *chunk { return &q.chunks[q.head] }

// last is the due time of the youngest chunk, 0 when there is none.
func (q *queue) last() time.Duration {
	if q.empty() {
		return 0
	}
	return q.chunks[len(q.chunks)-1].due
}

// push copies data to the end, due no earlier than what is there.
func (q *queue) push(due time.Duration, data []byte) {
	due = max(due, q.last())
	q.bytes += len(data)
	if !q.empty() {
		// A flusher may be writing this chunk's present bytes; append touches only what lies behind them.
		if t := &q.chunks[len(q.chunks)-1]; t.due == due && !t.fin {
			t.data = append(t.data, data...)
			return
		}
	}
	q.chunks = append(q.chunks, chunk{due: due, data: append([]byte(nil), data...)})
}

// pushFIN puts the end of the stream behind all bytes.
func (q *queue) pushFIN(due time.Duration) {
	q.chunks = append(q.chunks, chunk{due: max(due, q.last()), fin: true})
}

// unshift puts data before everything else, due at once.
func (q *queue) unshift(data []byte) {
	q.bytes += len(data)
	q.chunks = append([]chunk{{data: append([]byte(nil), data...)}}, q.chunks[q.head:]...)
	q.head = 0
}

// advance drops the first n bytes, all of which belong to the first chunk.
func (q *queue) advance(n int) {
	q.bytes -= n
	f := q.first()
	if f.data = f.data[n:]; len(f.data) > 0 {
		return
	}
	*f = chunk{}
	if q.head++; q.empty() {
		q.chunks, q.head = nil, 0
	} else if q.head >= 64 && q.head*2 >= len(q.chunks) {
		n := copy(q.chunks, q.chunks[q.head:])
		clear(q.chunks[n:])
		q.chunks, q.head = q.chunks[:n], 0
	}
}

// take moves bytes that are due into b.
func (q *queue) take(b []byte, now time.Duration) int {
	n := 0
	for n < len(b) && !q.empty() && q.first().due <= now {
		m := copy(b[n:], q.first().data)
		n += m
		q.advance(m)
	}
	return n
}

// hurry makes everything due at once.
func (q *queue) hurry() {
	for i := q.head; i < len(q.chunks); i++ {
		q.chunks[i].due = 0
	}
}

func (q *queue) clear() { *q = queue{} }
