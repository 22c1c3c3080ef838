package check

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/token2go/token2go/internal/apikey"
)

// shard is a part of the keys. Names, configurations and restrictions, which have no
// fixed size, are in one byte slice.
type shard struct {
	mu      sync.RWMutex
	rows    map[slot]row
	texts   []byte
	garbage int // bytes of texts that no row uses any more
}

// row is a key without pointers: 88 bytes, which the map holds in place.
type row struct {
	id      apikey.ID
	pepper  apikey.PepperID
	person  int64
	expires int64 // seconds since 1970; 0: never
	hash    apikey.Hash
	offset  uint32 // of the text in texts
	length  uint32
	kind    apikey.Kind
	revoked bool
}

func (s *shard) len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.rows)
}

func (s *shard) get(at slot) (Key, bool) {
	r, text, found := s.row(at)
	if !found {
		return Key{}, false
	}
	key := Key{ID: r.id, Kind: r.kind, Pepper: r.pepper, Hash: r.hash, Person: r.person, Revoked: r.revoked}
	if r.expires != 0 {
		key.Expires = time.Unix(r.expires, 0)
	}
	decode(text, &key)
	return key, true
}

// row returns the row and its text, which is never written to again: put appends, and
// compact copies.
func (s *shard) row(at slot) (r row, text []byte, found bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, found = s.rows[at]
	return r, s.texts[r.offset : r.offset+r.length], found
}

func (s *shard) put(key Key) {
	text := encode(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(key.slot())
	s.compact()
	r := row{
		id: key.ID, kind: key.Kind, pepper: key.Pepper, hash: key.Hash, person: key.Person, revoked: key.Revoked,
		offset: uint32(len(s.texts)), length: uint32(len(text)), //nolint:gosec // a shard of 4 GiB of texts is beyond any memory this is meant for
	}
	if !key.Expires.IsZero() {
		r.expires = key.Expires.Unix()
	}
	s.texts = append(s.texts, text...)
	s.rows[key.slot()] = r
}

func (s *shard) remove(at slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(at)
	s.compact()
}

func (s *shard) drop(at slot) {
	if r, found := s.rows[at]; found {
		s.garbage += int(r.length)
		delete(s.rows, at)
	}
}

// compact copies the texts that are in use once the others outweigh them.
func (s *shard) compact() {
	if s.garbage < 4096 || s.garbage < len(s.texts)/2 {
		return
	}
	texts := make([]byte, 0, len(s.texts)-s.garbage)
	for at, r := range s.rows {
		text := s.texts[r.offset : r.offset+r.length]
		r.offset = uint32(len(texts)) //nolint:gosec // not longer than before
		texts = append(texts, text...)
		s.rows[at] = r
	}
	s.texts, s.garbage = texts, 0
}

// The flags that a text begins with.
const (
	hasConfig = 1 << iota
	hasRoles
	allowInURL
	allowBlank
	restricted // there are networks, hosts, applications, roles or a rate
	granted    // there are grants or services
)

// encode writes what of a key has no fixed size: flags, name, configuration, restrictions.
func encode(key Key) []byte {
	var flags byte
	set := func(bit byte, on bool) {
		if on {
			flags |= bit
		}
	}
	r := key.Restrictions
	set(hasConfig, key.Config != nil)
	set(hasRoles, r.Roles != nil)
	set(allowInURL, r.AllowInURL)
	set(allowBlank, r.AllowBlank)
	set(granted, len(key.Grants)+len(key.Services) > 0)
	set(restricted, len(r.Networks)+len(r.Hosts)+len(r.Apps)+len(r.Roles) > 0 || r.Rate.Requests > 0)

	text := appendBytes([]byte{flags}, key.Name)
	text = appendBytes(text, string(key.Config))
	if flags&granted != 0 {
		text = appendGrants(text, key)
	}
	if flags&restricted == 0 {
		return text
	}
	text = appendList(text, r.Networks, networkBytes)
	text = appendList(text, r.Hosts, func(h apikey.HostPattern) string { return string(h) })
	text = appendList(text, r.Apps, func(app string) string { return app })
	text = appendList(text, r.Roles, func(role string) string { return role })
	text = binary.AppendUvarint(text, uint64(r.Rate.Requests)) //nolint:gosec // not negative
	return binary.AppendUvarint(text, uint64(r.Rate.Per))      //nolint:gosec // not negative
}

func appendGrants(text []byte, key Key) []byte {
	same := func(entry string) string { return entry }
	text = appendList(text, key.Grants, same)
	text = binary.AppendUvarint(text, uint64(len(key.Services)))
	for _, service := range slices.Sorted(maps.Keys(key.Services)) {
		text = appendList(appendBytes(text, service), key.Services[service], same)
	}
	return text
}

func networkBytes(n netip.Prefix) string {
	return string(append(n.Addr().AsSlice(), byte(n.Bits()))) //nolint:gosec // at most 128
}

func appendBytes(text []byte, member string) []byte {
	return append(binary.AppendUvarint(text, uint64(len(member))), member...)
}

func appendList[T any](text []byte, list []T, write func(T) string) []byte {
	text = binary.AppendUvarint(text, uint64(len(list)))
	for _, entry := range list {
		text = appendBytes(text, write(entry))
	}
	return text
}

// decode is the reverse of encode. The text is always one that encode wrote.
func decode(text []byte, key *Key) {
	flags := text[0]
	t := reader(text[1:])
	key.Name = string(t.bytes())
	config := t.bytes()
	if flags&hasConfig != 0 {
		key.Config = append([]byte{}, config...)
	}
	key.AllowInURL = flags&allowInURL != 0
	key.AllowBlank = flags&allowBlank != 0
	if flags&hasRoles != 0 {
		key.Roles = []string{}
	}
	if flags&granted != 0 {
		t.grants(key)
	}
	if flags&restricted == 0 {
		return
	}
	for range t.number() {
		n := t.bytes()
		address, _ := netip.AddrFromSlice(n[:len(n)-1])
		key.Networks = append(key.Networks, netip.PrefixFrom(address, int(n[len(n)-1])))
	}
	for range t.number() {
		key.Hosts = append(key.Hosts, apikey.HostPattern(t.bytes()))
	}
	key.Apps = t.list(key.Apps)
	key.Roles = t.list(key.Roles)
	key.Rate.Requests = int(t.number())      //nolint:gosec // encode wrote an int
	key.Rate.Per = time.Duration(t.number()) //nolint:gosec // encode wrote a duration
}

type reader []byte

func (t *reader) grants(key *Key) {
	key.Grants = t.list(nil)
	services := t.number()
	if services == 0 {
		return
	}
	key.Services = make(map[string][]string, services)
	for range services {
		service := string(t.bytes())
		key.Services[service] = t.list(nil)
	}
}

// list appends the entries of a list.
func (t *reader) list(to []string) []string {
	for range t.number() {
		to = append(to, string(t.bytes()))
	}
	return to
}

func (t *reader) number() uint64 {
	value, length := binary.Uvarint(*t)
	*t = (*t)[length:]
	return value
}

func (t *reader) bytes() []byte {
	length := t.number()
	member := (*t)[:length]
	*t = (*t)[length:]
	return member
}
