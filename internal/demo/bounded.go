package demo

import (
	"slices"
	"sync"
)

// boundedMap holds at most limit items; the oldest is dropped for a new one.
type boundedMap[T any] struct {
	mu    sync.Mutex
	limit int
	items map[string]T
	order []string
}

func newBoundedMap[T any](limit int) *boundedMap[T] {
	return &boundedMap[T]{limit: limit, items: map[string]T{}}
}

// put adds or replaces an item.
func (b *boundedMap[T]) put(key string, item T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, exists := b.items[key]; !exists {
		b.order = append(b.order, key)
	}
	b.items[key] = item
	if len(b.order) > b.limit {
		delete(b.items, b.order[0])
		b.order = b.order[1:]
	}
}

func (b *boundedMap[T]) get(key string) (T, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	item, exists := b.items[key]
	return item, exists
}

// take removes an item and returns it; of two concurrent callers only one gets it.
func (b *boundedMap[T]) take(key string) (T, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	item, exists := b.items[key]
	if exists {
		delete(b.items, key)
		b.order = slices.DeleteFunc(b.order, func(other string) bool { return other == key })
	}
	return item, exists
}
