package demo

import (
	"slices"
	"sync"
)

// shelf holds a bounded number of items by name; the one put there first gives way.
type shelf[T any] struct {
	mu    sync.Mutex
	room  int
	items map[string]T
	order []string
}

func newShelf[T any](room int) *shelf[T] {
	return &shelf[T]{room: room, items: map[string]T{}}
}

// put places or replaces an item.
func (s *shelf[T]) put(name string, item T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.items[name]; !there {
		s.order = append(s.order, name)
	}
	s.items[name] = item
	if len(s.order) > s.room {
		delete(s.items, s.order[0])
		s.order = s.order[1:]
	}
}

func (s *shelf[T]) get(name string) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	item, there := s.items[name]
	return item, there
}

// take removes an item and returns it, so that of two callers only one has it.
func (s *shelf[T]) take(name string) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	item, there := s.items[name]
	if there {
		delete(s.items, name)
		s.order = slices.DeleteFunc(s.order, func(other string) bool { return other == name })
	}
	return item, there
}
