package config

import (
	"errors"
	"strings"
	"time"
)

// Keys is what API keys may be.
type Keys struct {
	Prefix         string        `name:"T2G_KEYS_PREFIX" is:"key prefix" default:"t2g" meaning:"What keys begin with, so that people and secret scanners recognize them." example:"acme"`
	Kinds          []string      `name:"T2G_KEYS_KINDS" oneof:"opaque,jwt" default:"opaque" meaning:"Kinds of keys that may be made; jwt can be verified offline." example:"opaque,jwt"`
	Apps           []string      `name:"T2G_KEYS_APPS" otherwise:"any name" allowed:"names, separated by commas" meaning:"The applications that keys may be for; each key then names at least one." example:"maps,tiles"`
	MinTTL         time.Duration `name:"T2G_KEYS_MIN_TTL" min:"1m" max:"3650d" default:"1h" meaning:"Shortest life of a key." example:"1d"`
	DefaultTTL     time.Duration `name:"T2G_KEYS_DEFAULT_TTL" min:"1m" max:"3650d" default:"90d" meaning:"Life of a key for which none is asked." example:"30d"`
	MaxTTL         time.Duration `name:"T2G_KEYS_MAX_TTL" min:"1m" max:"3650d" default:"365d" meaning:"Longest life of a key." example:"180d"`
	Never          bool          `name:"T2G_KEYS_NEVER_END" default:"false" meaning:"Whether keys may be made that never end." example:"true"`
	MaxPerPerson   int           `name:"T2G_KEYS_MAX_PER_PERSON" min:"0" max:"100000" default:"100" note:"0 is without limit" meaning:"How many live keys a person may have." example:"10"`
	InURL          bool          `name:"T2G_KEYS_IN_URL" default:"false" meaning:"Whether keys may be allowed in a query or a path, for programs that can send no header. URLs are logged in many places." example:"true"`
	Makers         []string      `name:"T2G_KEYS_MAKERS" otherwise:"everyone who is signed in" allowed:"roles or groups, separated by commas" meaning:"Whose members may make keys." example:"data-users"`
	SignedInWithin time.Duration `name:"T2G_KEYS_SIGNED_IN_WITHIN" min:"0s" max:"30d" default:"0s" note:"0s is any time" meaning:"How lately a person must have signed in to make a key, by the token's auth_time." example:"1h"`
	SeenWithin     time.Duration `name:"T2G_KEYS_SEEN_WITHIN" min:"0s" max:"3650d" default:"0s" note:"0s is any time" meaning:"Keys end, until the next visit, when their owner was not at the gateway for so long: off-boarding with every identity provider." example:"60d"`
	MaxTTLFor      []string      `name:"T2G_KEYS_MAX_TTL_FOR" is:"role and duration" otherwise:"T2G_KEYS_MAX_TTL for all" meaning:"Longest life of a key of people with a role or group; of several the longest counts." example:"operators=3650d,guests=7d"`
	MaxFor         []string      `name:"T2G_KEYS_MAX_PER_PERSON_FOR" is:"role and number" otherwise:"T2G_KEYS_MAX_PER_PERSON for all" meaning:"How many live keys people with a role or group may have; of several the largest counts." example:"operators=1000,guests=2"`
	NeverFor       []string      `name:"T2G_KEYS_NEVER_END_FOR" otherwise:"T2G_KEYS_NEVER_END for all" allowed:"roles or groups, separated by commas" meaning:"Whose members may make keys that never end." example:"operators"`
	InURLFor       []string      `name:"T2G_KEYS_IN_URL_FOR" otherwise:"T2G_KEYS_IN_URL for all" allowed:"roles or groups, separated by commas" meaning:"Whose members may allow keys in a query or a path." example:"map-makers"`
	Failures       int           `name:"T2G_KEYS_FAILURES" min:"0" max:"1000000" default:"60" note:"0 is without limit" meaning:"How many wrong keys an address may present in a minute before it gets 429." example:"20"`
}

// MaxTTLs are the longest lives by role or group.
func (k Keys) MaxTTLs() map[string]time.Duration { return byRole(k.MaxTTLFor, roleDuration) }

// MaxCounts are the numbers of live keys by role or group.
func (k Keys) MaxCounts() map[string]int { return byRole(k.MaxFor, roleNumber) }

func byRole[T any](entries []string, parse func(string) (T, error)) map[string]T {
	values := map[string]T{}
	for _, entry := range entries {
		i := strings.LastIndexByte(entry, '=')
		values[entry[:i]], _ = parse(entry[i+1:]) // was parsed when the configuration was read
	}
	return values
}

func roleDuration(text string) (time.Duration, error) { return duration(time.Minute, 3650*day)(text) }

func roleNumber(text string) (int, error) { return number(1, 100_000)(text) }

// forRole reads a role or group, an equals sign and a value.
func forRole[T any](parse func(string) (T, error)) func(string) (string, error) {
	return func(text string) (string, error) {
		i := strings.LastIndexByte(text, '=')
		if i <= 0 {
			return "", errors.New("no role and value with = between them")
		}
		_, err := parse(text[i+1:])
		return text, err
	}
}

func (k Keys) check(r *reader) {
	if !r.sound("T2G_KEYS_MIN_TTL", "T2G_KEYS_DEFAULT_TTL", "T2G_KEYS_MAX_TTL") {
		return
	}
	switch {
	case k.MinTTL > k.MaxTTL:
		r.add("T2G_KEYS_MIN_TTL", written(k.MinTTL), "at most T2G_KEYS_MAX_TTL, "+written(k.MaxTTL))
	case k.DefaultTTL < k.MinTTL || k.DefaultTTL > k.MaxTTL:
		r.add("T2G_KEYS_DEFAULT_TTL", written(k.DefaultTTL), "between T2G_KEYS_MIN_TTL and T2G_KEYS_MAX_TTL, "+written(k.MinTTL)+" and "+written(k.MaxTTL))
	}
}

func (k Keys) warnings() []string {
	return taken(risk{k.Never && k.SeenWithin == 0, "T2G_KEYS_NEVER_END: keys of people who have left go on; set T2G_KEYS_SEEN_WITHIN"})
}
