package config

import (
	"fmt"
	"slices"
)

// Warnings are the decisions that are allowed and risky, one line each.
func (c Config) Warnings() []string {
	var warnings []string
	for _, risk := range []struct {
		taken bool
		says  string
	}{
		{c.exposed() && len(c.GatewayCIDRs) == 0, fmt.Sprintf("T2G_SERVER_HOST=%s: whoever reaches the gateway door can pass for anyone; name the gateway in T2G_GATEWAY_CIDRS or keep others out by other means", c.ServerHost)},
		{c.exposed() && c.TLSCertFile == "", fmt.Sprintf("T2G_SERVER_HOST=%s: tokens cross the network in plain text; set T2G_TLS_CERT_FILE and T2G_TLS_KEY_FILE unless the network itself encrypts", c.ServerHost)},
		{slices.ContainsFunc(c.GatewayCIDRs, wholeInternet), "T2G_GATEWAY_CIDRS: holds a network of every address, which keeps nobody out"},
		{!c.FallbackToken.Absent(), "T2G_FALLBACK_TOKEN: everyone who reaches the gateway door without a token gets this one"},
		{!c.FallbackToken.Absent() && slices.Contains(c.AllowedHosts, "*"), "T2G_ALLOWED_HOSTS=*: with a fallback token, a website that rebinds its name to this address reads the token"},
		{c.given["T2G_TOKEN_HEADER_NAMES"] && !c.given["T2G_IDENTITY_HEADER_NAMES"], "T2G_IDENTITY_HEADER_NAMES: not set, and most of the default headers can be sent by a client, who is then shown and logged by a name of their choice; name those that the gateway sets"},
		{c.PublicURL != nil && c.PublicURL.Scheme == "http" && !loopback(c.PublicURL.Hostname()), "T2G_PUBLIC_URL: over plain http tokens can be read on the way, and browsers send no fetch metadata"},
		{c.PublicURL != nil && c.BasePath != "" && c.PublicURL.Path != c.BasePath, "T2G_BASE_PATH: differs from the path of T2G_PUBLIC_URL, which links are made from"},
		{c.FlowConsent == "never", "T2G_FLOW_CONSENT=never: a link from any website makes a signed-in person's token go to a program on that person's computer, unasked"},
		{len(c.FlowModes) > 0 && !slices.Contains(c.FlowModes, "query"), "T2G_FLOW_MODES: without query, clients that ask for the triple get no token"},
		{slices.Contains(c.OpsAllowedHosts, "*") && c.OpsPort != 0, "T2G_OPS_ALLOWED_HOSTS=*: a website that rebinds its name to the ops door reads the metrics"},
		{c.OpsPprof && c.OpsPort != 0 && !loopback(c.OpsHost), fmt.Sprintf("T2G_OPS_PPROF: whoever reaches T2G_OPS_HOST=%s can watch what the program is doing, and slow it", c.OpsHost)},
		{c.OpsPprof && c.OpsPort == 0, "T2G_OPS_PPROF: has no effect, since T2G_OPS_PORT=0 switches the ops door off"},
	} {
		if risk.taken {
			warnings = append(warnings, risk.says)
		}
	}
	return warnings
}

// exposed reports whether others than this computer reach the gateway door.
func (c Config) exposed() bool { return c.ServerSocket == "" && !loopback(c.ServerHost) }
