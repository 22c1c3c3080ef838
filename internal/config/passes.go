package config

import "time"

// Passes is what may be called through the proxy, and the passes for it.
type Passes struct {
	ServicesFile string        `name:"T2G_SERVICES_FILE" is:"private file" meaning:"Switches the proxy on, and the API listener: which APIs are behind it, with which credentials." example:"/etc/token2go/services.json"`
	KeyFile      string        `name:"T2G_PASS_KEY_FILE" is:"private file" otherwise:"pass.key beside the services file" allowed:"path of a file; it is made where it is missing" meaning:"The key that signs passes where there is no database." example:"/var/lib/token2go/pass.key"`
	MaxTTL       time.Duration `name:"T2G_PASS_MAX_TTL" min:"1m" max:"365d" default:"90d" meaning:"Longest life of a pass." example:"7d"`
}
