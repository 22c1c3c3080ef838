package check

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/token2go/token2go/internal/apikey"
)

// Key is one key as the set knows it.
type Key struct {
	ID      apikey.ID
	Kind    apikey.Kind
	Pepper  apikey.PepperID // of an opaque key's hash
	Hash    apikey.Hash     // absent for a JWT
	Person  int64           // number of the owner; 0: no person
	Expires time.Time       // in whole seconds; zero: never
	Revoked bool
	Name    string
	Config  []byte // JSON; nil: none
	apikey.Restrictions
	Grants   []string            // such as introspect:APP
	Services map[string][]string // services that the key opens, with their scopes
}

// Person is the owner of keys.
type Person struct {
	ID                            int64 // above 0
	Issuer, Subject, Login, Email string
	Active                        bool
	Seen                          time.Time // last visit at the gateway
	Roles, Groups                 []string
}

// slot is what a key is found by: its ID, which is below 2^60, or for a key that shows no
// ID the beginning of its hash with the highest bit set.
type slot uint64

func slotOfHash(hash apikey.Hash) slot {
	return slot(binary.BigEndian.Uint64(hash[:]) | 1<<63)
}

func (k Key) slot() slot {
	if k.Kind == apikey.UUID {
		return slotOfHash(k.Hash)
	}
	return slot(k.ID)
}

// hash spreads slots over shards. Fibonacci hashing suffices: a slot is in the set only
// when this server made it, so no caller can choose many that collide.
func (s slot) hash() uint64 { return uint64(s) * 0x9E3779B97F4A7C15 >> 32 }

const shardCount = 256

// Set is every key that may still be presented, and the people who own them. Its keys are
// held without pointers, so that the garbage collector has nothing to follow in them. It
// is safe for concurrent use; a check takes one read lock of 256.
type Set struct {
	peppers map[apikey.PepperID]apikey.Pepper
	keys    [shardCount]shard
	people  [shardCount]peopleShard

	subjects sync.Map // of a subject to the number of the person
}

type peopleShard struct {
	mu     sync.RWMutex
	people map[int64]*Person
}

// NewSet makes an empty set whose opaque keys are hashed under these peppers.
func NewSet(peppers ...apikey.Pepper) *Set {
	s := &Set{peppers: map[apikey.PepperID]apikey.Pepper{}}
	for _, pepper := range peppers {
		s.peppers[pepper.ID] = pepper
	}
	for i := range shardCount {
		s.keys[i].rows = map[slot]row{}
		s.people[i].people = map[int64]*Person{}
	}
	return s
}

// Put adds a key or replaces the one with its ID.
func (s *Set) Put(key Key) { s.shard(key.slot()).put(key) }

// Remove takes a key out of the set.
func (s *Set) Remove(key Key) { s.shard(key.slot()).remove(key.slot()) }

// Len is the number of keys.
func (s *Set) Len() int {
	total := 0
	for i := range s.keys {
		total += s.keys[i].len()
	}
	return total
}

func (s *Set) shard(at slot) *shard { return &s.keys[at.hash()%shardCount] }

// PutPerson adds a person or replaces the one with this number. The set keeps the
// pointer: the caller must not change what it points to.
func (s *Set) PutPerson(person *Person) {
	shard := &s.people[person.ID%shardCount]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	shard.people[person.ID] = person
	s.subjects.Store(person.Subject, person.ID)
}

// PersonOf returns the person with this subject; nil: none is known. With several issuers,
// it is the one who was changed last.
func (s *Set) PersonOf(subject string) *Person {
	if id, known := s.subjects.Load(subject); known {
		id, _ := id.(int64)
		return s.person(id)
	}
	return nil
}

func (s *Set) person(id int64) *Person {
	shard := &s.people[id%shardCount]
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	return shard.people[id]
}

// find returns the key that was presented, whether one with its ID is in the set, and
// whether the secret is right.
func (s *Set) find(presented Credential) (key Key, found, right bool) {
	key, found = s.shard(presented.slot).get(presented.slot)
	if !found || key.Kind != presented.kind {
		return Key{}, found, false
	}
	switch key.Kind {
	case apikey.JWT:
		return key, true, true
	case apikey.UUID:
		return key, true, key.Hash.Equal(presented.hash)
	}
	pepper, known := s.peppers[key.Pepper]
	return key, true, known && key.Hash.Equal(pepper.Hash(presented.opaque))
}
