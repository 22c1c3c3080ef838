package gateway

import (
	"encoding/json"
	"net/url"
	"strings"
)

// passCalls are the ready calls for a pass. None contains it.
type passCalls struct{ id, service, address string }

func (c passCalls) groups() []callGroup {
	return []callGroup{c.save(), c.curl(), c.requests(), c.sdk(), c.agent(), c.environment(), c.hosts(), c.gdal()}
}

func (c passCalls) file() string { return "~/.passes/" + c.id }

// example is an address below the service; which paths it has is not known here.
func (c passCalls) example() string { return c.address }

func (c passCalls) save() callGroup {
	return callGroup{ID: "save", Label: "Save it first", Text: "The other calls read these files, which only you can read.", Calls: []call{{
		Title: "bash and zsh: paste the pass when nothing seems to happen, and press Enter",
		Code: `read -rs PASS
(umask 077; mkdir -p ~/.passes
printf '%s' "$PASS" > ` + c.file() + `
printf 'Authorization: Bearer %s\n' "$PASS" > ` + c.file() + `.header)
unset PASS`,
		Expect: "Nothing is printed, and the pass is not in the shell's history.",
	}}}
}

func (c passCalls) curl() callGroup {
	return callGroup{ID: "curl", Label: "curl", Calls: []call{{
		Title:  "Add the path of the API to the address",
		Code:   "curl --fail-with-body --header @$HOME/.passes/" + c.id + ".header --url " + shellQuote(c.example()),
		Expect: "The API's answer. What no rule allows is 403 with the header `Token2go-Error: rule`, and does not reach the API.",
	}}}
}

func (c passCalls) requests() callGroup {
	return callGroup{ID: "requests", Label: "Python requests", Calls: []call{{
		Title: "With the pass from the file",
		Code: `from pathlib import Path

import requests

session = requests.Session()
session.headers["Authorization"] = "Bearer " + (Path.home() / ".passes" / ` + literal(c.id) + `).read_text()
response = session.get(` + literal(c.example()) + `, timeout=30)
response.raise_for_status()
print(response.text)`,
		Expect: "The API's answer.",
	}}}
}

func (c passCalls) sdk() callGroup {
	return callGroup{ID: "sdk", Label: "SDKs with a base URL", Text: "Every SDK that lets its base URL be set works: the pass takes the place of the API key.", Calls: []call{{
		Title: "openai",
		Code: `from pathlib import Path

from openai import OpenAI

client = OpenAI(
    base_url=` + literal(c.address+"v1") + `,
    api_key=(Path.home() / ".passes" / ` + literal(c.id) + `).read_text(),
)`,
		Expect: "As with the API itself. Leave `v1` away where the service's own address ends in it.",
	}, {
		Title: "anthropic",
		Code: `from pathlib import Path

from anthropic import Anthropic

client = Anthropic(
    base_url=` + literal(strings.TrimSuffix(c.address, "/")) + `,
    api_key=(Path.home() / ".passes" / ` + literal(c.id) + `).read_text(),
)`,
		Expect: "As with the API itself.",
	}}}
}

func (c passCalls) agent() callGroup {
	config, _ := json.MarshalIndent(map[string]any{"mcpServers": map[string]any{c.service: map[string]any{ // texts always encode
		"type": "http", "url": c.address + "mcp", "headers": map[string]string{"Authorization": "Bearer ${PASS}"},
	}}}, "", "  ")
	return callGroup{ID: "agent", Label: "Agents and MCP clients", Calls: []call{{
		Title:  "Configuration of an MCP client",
		Code:   string(config),
		Expect: "The client reads the pass from the variable `PASS`. Give an agent a pass of its own with the shortest life that will do, so that it can be revoked alone.",
	}}}
}

func (c passCalls) environment() callGroup {
	name := strings.ToUpper(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, c.service))
	return callGroup{ID: "environment", Label: "Environment file", Calls: []call{{
		Title: "For containers, CI jobs and workflow platforms",
		Code: `(umask 077; printf '` + name + `_BASE_URL=%s\n` + name + `_TOKEN=%s\n' ` + shellQuote(c.address) + ` "$(cat ` + c.file() + `)" > ` + c.service + `.env)
set -a; . ./` + c.service + `.env; set +a`,
		Expect: "The file has two lines. In a CI job, save the second as a masked secret instead.",
	}}}
}

func (c passCalls) hosts() callGroup {
	host := "api.example.org"
	if at, err := url.Parse(c.address); err == nil && at.Host != "" {
		host = at.Host
	}
	return callGroup{
		ID: "hosts", Label: "gh and glab", Text: "These programs take a host name and no path: the operator gives the service a host name of its own (`hosts` in the services file).",
		Calls: []call{{
			Title:  "gh",
			Code:   "GH_HOST=" + shellQuote(host) + ` GH_ENTERPRISE_TOKEN="$(cat ` + c.file() + `)" gh api user`,
			Expect: "The API's answer, in JSON.",
		}, {
			Title:  "glab",
			Code:   "GITLAB_HOST=" + shellQuote("https://"+host) + ` GITLAB_TOKEN="$(cat ` + c.file() + `)" glab api user`,
			Expect: "The API's answer, in JSON.",
		}},
	}
}

func (c passCalls) gdal() callGroup {
	return callGroup{ID: "gdal", Label: "GDAL", Calls: []call{{
		Title:  "Header file",
		Code:   "GDAL_HTTP_HEADER_FILE=$HOME/.passes/" + c.id + ".header gdalinfo " + shellQuote("/vsicurl/"+c.address+"scene.tif"),
		Expect: "`Driver: GTiff/GeoTIFF` and the size of the raster.",
	}}}
}
