package config

import "time"

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
	Failures       int           `name:"T2G_KEYS_FAILURES" min:"0" max:"1000000" default:"60" note:"0 is without limit" meaning:"How many wrong keys an address may present in a minute before it gets 429." example:"20"`
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
