package config

import (
	"net/url"
	"time"

	"github.com/token2go/token2go/internal/secret"
)

// Passes is what may be called through the proxy, and the passes for it.
type Passes struct {
	ServicesFile string        `name:"T2G_SERVICES_FILE" is:"private file" meaning:"Switches the proxy on, and the API listener: which APIs are behind it, with which credentials." example:"/etc/token2go/services.json"`
	KeyFile      string        `name:"T2G_PASS_KEY_FILE" is:"private file" otherwise:"pass.key beside the services file" allowed:"path of a file; it is made where it is missing" meaning:"The key that signs passes where there is no database." example:"/var/lib/token2go/pass.key"`
	MaxTTL       time.Duration `name:"T2G_PASS_MAX_TTL" min:"1m" max:"365d" default:"90d" meaning:"Longest life of a pass." example:"7d"`

	LockboxKeyFile string        `name:"T2G_LOCKBOX_SIGNING_KEY_FILE" is:"private file" meaning:"The signing key of lockbox, line break and all; required with T2G_COMPATIBILITY=lockbox." example:"/etc/token2go/lockbox.key"`
	MagicKeysDir   string        `name:"T2G_MAGIC_KEYS_DIR" is:"text" allowed:"path of a folder with private.pem and public.pem" meaning:"The key pair of magic-api-proxy; required with T2G_COMPATIBILITY=magic-api-proxy." example:"/etc/token2go/magic"`
	MagicService   string        `name:"T2G_MAGIC_SERVICE" is:"text" meaning:"The only service whose tokens the key pair opens." example:"github"`
	MagicOrigin    *url.URL      `name:"T2G_MAGIC_ORIGIN" note:"no path" meaning:"The origin of that service's base URL. With another base URL the server does not start: the API tokens would be sent there." example:"https://api.github.com"`
	MagicMaxAge    time.Duration `name:"T2G_MAGIC_MAX_AGE" min:"0s" max:"3650d" default:"0s" note:"0s: the token's own end" meaning:"Ends tokens of magic-api-proxy, which live for five years, so long after they were made." example:"90d"`
	MagicOpenMint  bool          `name:"T2G_MAGIC_OPEN_MINT" default:"false" meaning:"Whether anyone who reaches the server may make tokens of magic-api-proxy." example:"true"`
	MintSecret     secret.Value  `name:"T2G_MINT_SECRET" allowed:"a text without spaces" meaning:"Shown as a Bearer token, it makes tokens of magic-api-proxy." example:"correct-horse"`
}
