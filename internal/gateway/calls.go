package gateway

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/token2go/token2go/internal/web"
)

// call is one way to use a key: commands that work when they are pasted. No call contains
// the key: a command line is visible to other users and is kept in the shell's history.
type call struct {
	Title  string
	Code   string
	Expect string // what happens when it works, and what to know; rich text
}

// callGroup is what one tool needs.
type callGroup struct {
	ID, Label string
	Text      string // rich text; may be empty
	Calls     []call
	Open      bool // shown unfolded
}

// calls are the ready calls for a key: to an address, from files in the person's home folder.
type calls struct {
	id         string
	address    string // an http or https address
	scheme     string
	host       string // with its port, if it has one
	raster     string // a raster on the same server
	allowInURL bool
}

func newCalls(id, address string, allowInURL bool) calls {
	c := calls{id: id, address: address, scheme: "https", host: "api.example.org", allowInURL: allowInURL}
	if at, err := url.Parse(address); err == nil && at.Host != "" {
		c.scheme, c.host = at.Scheme, at.Host
	}
	c.raster = c.scheme + "://" + c.host + "/scene.tif"
	return c
}

func (c calls) groups() []callGroup {
	return []callGroup{
		c.save(), c.curl(), c.wget(), c.requests(), c.gdal(), c.rasterio(), c.qgis(), c.jupyter(), c.netrc(), c.git(), c.pip(),
	}
}

// shellQuote quotes for POSIX shells.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// literal quotes for Python, whose string literals contain those of JSON.
func literal(text string) string {
	quoted, _ := json.Marshal(text) // a string always encodes
	return string(quoted)
}

func (c calls) file() string   { return "~/.keys/" + c.id }
func (c calls) secret() string { return `"$(cat ` + c.file() + `)"` }

func (c calls) save() callGroup {
	return callGroup{
		ID: "save", Label: "Save it first", Text: "The calls for the other tools read these files. Only you can read them.",
		Calls: []call{{
			Title: "bash and zsh: paste the key when nothing seems to happen, and press Enter",
			Code: `read -rs KEY
(umask 077; mkdir -p ~/.keys
printf '%s' "$KEY" > ` + c.file() + `
printf 'Authorization: Bearer %s\n' "$KEY" > ` + c.file() + `.header)
unset KEY`,
			Expect: "Nothing is printed, and the key is not in the shell's history.",
		}, {
			Title: "PowerShell 7",
			Code: `$null = New-Item -ItemType Directory -Force ~/.keys
$key = Read-Host -MaskInput
Set-Content -NoNewline ` + c.file() + ` $key
Set-Content ` + c.file() + `.header "Authorization: Bearer $key"`,
			Expect: "The key is masked while you paste it.",
		}},
	}
}

func (c calls) curl() callGroup {
	return callGroup{ID: "curl", Label: "curl", Calls: []call{{
		Title:  "From the header file",
		Code:   "curl --fail-with-body --header @$HOME/.keys/" + c.id + ".header --url " + shellQuote(c.address),
		Expect: "The answer is printed. A refused key is 401 or 403, with the reason in the body. curl drops the header when it is redirected to another host.",
	}, {
		Title:  "From a configuration on standard input",
		Code:   `printf 'oauth2-bearer = "%s"\n' ` + c.secret() + " | curl --fail-with-body --config - --url " + shellQuote(c.address),
		Expect: "The same. `--oauth2-bearer` on the command line works, too, but shows the key to everyone on this computer.",
	}}}
}

func (c calls) wget() callGroup {
	return callGroup{ID: "wget", Label: "wget", Calls: []call{{
		Title: "From a configuration file",
		Code: `(umask 077; printf 'header = Authorization: Bearer %s\n' ` + c.secret() + " > " + c.file() + `.wgetrc)
wget --config=$HOME/.keys/` + c.id + ".wgetrc --max-redirect=0 --output-document=- " + shellQuote(c.address),
		Expect: "The answer is printed. wget sends its headers to every host that it is redirected to, so leave `--max-redirect=0` in unless you trust them all.",
	}}}
}

func (c calls) requests() callGroup {
	return callGroup{ID: "requests", Label: "Python requests", Calls: []call{{
		Title: "With the key from the file",
		Code: `from pathlib import Path

import requests

key = (Path.home() / ".keys" / ` + literal(c.id) + `).read_text()
response = requests.get(
    ` + literal(c.address) + `,
    headers={"Authorization": f"Bearer {key}"},
    timeout=30,
)
response.raise_for_status()
print(response.text)`,
		Expect: "The answer is printed. If `~/.netrc` has an entry for this host, requests sends that one instead of the header.",
	}}}
}

func (c calls) gdal() callGroup {
	group := callGroup{ID: "gdal", Label: "GDAL", Calls: []call{{
		Title:  "Header file",
		Code:   "GDAL_HTTP_HEADER_FILE=$HOME/.keys/" + c.id + ".header gdalinfo " + shellQuote("/vsicurl/"+c.raster),
		Expect: "`Driver: GTiff/GeoTIFF` and the size of the raster. With a refused key: `HTTP response code: 401` or 403. GDAL drops the header when it is redirected to another host.",
	}, {
		Title:  "Header",
		Code:   `GDAL_HTTP_HEADERS="Authorization: Bearer $(cat ` + c.file() + `)" gdalinfo ` + shellQuote("/vsicurl/"+c.raster),
		Expect: "The same, for programs that cannot name a file.",
	}, {
		Title:  "Basic",
		Code:   `GDAL_HTTP_AUTH=BASIC GDAL_HTTP_USERPWD="key:$(cat ` + c.file() + `)" gdalinfo ` + shellQuote("/vsicurl/"+c.raster),
		Expect: "The same. Any user name will do, and the key is the password.",
	}}}
	if c.allowInURL {
		group.Calls = append(group.Calls, call{
			Title:  "Query",
			Code:   `gdalinfo "/vsicurl/` + c.raster + `?api-key=$(cat ` + c.file() + `)"`,
			Expect: "The same. The key is then on the command line and in the logs of every server on the way, so use this only where nothing else works.",
		})
	}
	return group
}

func (c calls) rasterio() callGroup {
	return callGroup{ID: "rasterio", Label: "RasterIO", Calls: []call{{
		Title: "With the header file",
		Code: `from pathlib import Path

import rasterio

header = Path.home() / ".keys" / ` + literal(c.id+".header") + `
with rasterio.Env(GDAL_HTTP_HEADER_FILE=str(header)):
    with rasterio.open(` + literal(c.raster) + `) as scene:
        print(scene.profile)`,
		Expect: "The profile of the raster. With a refused key: `RasterioIOError` with HTTP 401 or 403.",
	}}}
}

func (c calls) qgis() callGroup {
	return callGroup{
		ID: "qgis", Label: "QGIS",
		Text: `Works: in Settings, Options, Authentication, add a configuration of the type API Header, with the key ` + "`Authorization`" + ` and the value ` + "`Bearer `" + ` followed by the key. Choose it for connections of the types WMS, WMTS, WFS, OGC API Features, XYZ and vector tiles.

Does not work: the type API Header for rasters and vectors that GDAL opens by address (such as a cloud-optimized GeoTIFF), up to QGIS 4.0, and for ArcGIS vector tiles in 3.44. For the former take the type Basic, with any user name and the key as password, or start QGIS like this:`,
		Calls: []call{{
			Title:  "For what GDAL opens",
			Code:   "GDAL_HTTP_HEADER_FILE=$HOME/.keys/" + c.id + ".header qgis",
			Expect: "Layer, Add Raster Layer, Protocol opens " + c.raster + " without a question. GDAL sends this header to every server that QGIS opens rasters from.",
		}},
	}
}

func (c calls) jupyter() callGroup {
	return callGroup{ID: "jupyter", Label: "JupyterLab", Calls: []call{{
		Title: "In a notebook: the key is asked for, and not saved with the notebook",
		Code: `from getpass import getpass

import requests

key = getpass("API key: ")
response = requests.get(` + literal(c.address) + `, headers={"Authorization": f"Bearer {key}"}, timeout=30)
response.raise_for_status()
response.text`,
		Expect: "A field to paste the key into; then the answer. Never write a key into a cell: notebooks are shared.",
	}}}
}

func (c calls) netrc() callGroup {
	return callGroup{ID: "netrc", Label: ".netrc", Calls: []call{{
		Title: "For curl, wget, git, pip, requests and GDAL",
		Code: `(umask 077; printf 'machine %s login key password %s\n' ` + shellQuote(web.HostName(c.host)) + " " + c.secret() + ` >> ~/.netrc)
curl --fail-with-body --netrc --url ` + shellQuote(c.address),
		Expect: "The answer is printed. From now on these tools send the key to " + web.HostName(c.host) + " without being told. Remove the line when the key ends.",
	}}}
}

func (c calls) git() callGroup {
	return callGroup{ID: "git", Label: "git", Calls: []call{{
		Title: "With a credential helper, such as that of your system's key ring",
		Code: `printf 'protocol=%s\nhost=%s\nusername=key\npassword=%s\n\n' ` + c.scheme + " " + shellQuote(c.host) + " " + c.secret() + ` | git credential approve
git clone ` + shellQuote(c.scheme+"://"+c.host+"/team/project.git"),
		Expect: "The clone asks nothing. `git config credential.helper` must print a helper; without one, use .netrc. git sends the key when the server answers 401.",
	}}}
}

func (c calls) pip() callGroup {
	return callGroup{
		ID: "pip", Label: "pip", Text: "pip reads `.netrc`: save the key there first.",
		Calls: []call{{
			Title:  "From a package index that takes the key",
			Code:   "pip install --index-url " + shellQuote(c.scheme+"://"+c.host+"/simple/") + " example-package",
			Expect: "The package is installed. If pip asks for a user name, the key was refused, or `~/.netrc` has no line for this host.",
		}},
	}
}
