package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/token2go/token2go/internal/loopback"
)

// Ops is the listener for the operator's own tools.
type Ops struct {
	Host         string   `name:"T2G_OPS_HOST" is:"address" default:"127.0.0.1" meaning:"Address of the ops listener: metrics, health, readiness." example:"0.0.0.0"`
	Port         int      `name:"T2G_OPS_PORT" min:"0" max:"65535" default:"8082" note:"not the gateway listener's; 0 switches the listener off" meaning:"Port of the ops listener." example:"9102"`
	AllowedHosts []string `name:"T2G_OPS_ALLOWED_HOSTS" is:"host" otherwise:"addresses, names without a dot, and that of T2G_OPS_HOST" meaning:"More host names by which metrics and profiles are read; others get 421." example:"token2go.auth.svc,web1.example.org:8082"`
	Pprof        bool     `name:"T2G_OPS_PPROF" default:"false" meaning:"Whether the ops listener has Go's profiler, which shows what the program is doing and slows it." example:"true"`
}

// Hosts lists names with a dot by which the ops listener may be read, in lower case;
// "*" among them is every name. Addresses and names without a dot may be used anyway.
func (o Ops) Hosts() []string { return append(slices.Clone(o.AllowedHosts), strings.ToLower(o.Host)) }

// check refuses two listeners on one address.
func (o Ops) check(r *reader, g Gateway) {
	if g.Socket == "" {
		checkPorts(r, "T2G_OPS", o.Host, o.Port, "T2G_SERVER", g.Host, g.Port, "gateway")
	}
}

// checkPorts refuses a listener whose address is that of another one. Names are those of
// the variables, without _HOST and _PORT.
func checkPorts(r *reader, name, host string, port int, otherName, otherHost string, otherPort int, other string) {
	if port <= 0 || port != otherPort || !overlap(host, otherHost) {
		return
	}
	if r.sound(name+"_PORT", name+"_HOST", otherName+"_HOST", otherName+"_PORT", otherName+"_SOCKET") {
		r.refuse(name+"_PORT", fmt.Sprintf("%d (the %s listener's)", port, other))
	}
}

func (o Ops) warnings() []string {
	return taken(
		risk{slices.Contains(o.AllowedHosts, "*") && o.Port != 0, "T2G_OPS_ALLOWED_HOSTS=*: a website that rebinds its name to the ops listener reads the metrics"},
		risk{o.Pprof && o.Port != 0 && !loopback.Host(o.Host), fmt.Sprintf("T2G_OPS_PPROF: anyone who can reach T2G_OPS_HOST=%s can watch what the program is doing, and slow it", o.Host)},
		risk{o.Pprof && o.Port == 0, "T2G_OPS_PPROF: has no effect, since T2G_OPS_PORT=0 switches the ops listener off"},
	)
}
