package gateway

import (
	"html/template"
	"time"
)

// A view is all that a page's template reads. No view holds a token.

// chrome is what every page shows around its content.
type chrome struct {
	Base       string // the prefix, "" or such as "/t2g", that goes before every link
	Title      string // the name of this installation
	Product    string // what the tokens are for; may be empty
	Demo       string // the text of the banner; no banner when empty
	Version    string
	Person     string // who is signed in, as forwarded; may be empty
	Keys       bool   // this server makes API keys
	Passes     bool   // this server makes passes
	Admin      bool   // the person is an administrator
	SignInURL  string // may be empty
	SignOutURL string // may be empty
}

// Site returns the chrome, for the layout: a view may have a Title of its own.
func (c chrome) Site() chrome { return c }

// indexView is the page that shows the token. Its script fetches the token.
type indexView struct {
	chrome
	Desc1   template.HTML // the operator's words, trusted as such
	Desc2   template.HTML
	Misc    template.HTML
	Found   bool         // the request for the page held a usable token
	Problem *problemPart // why it did not
	Example string       // the address that examples call; empty: one that does not exist
	Server  string       // this server's address as a person reaches it, for examples; may be empty
}

// questionView asks whether a program may have the token.
type questionView struct {
	chrome
	Client      string // the name that the program gives itself, not verified; may be empty
	Target      string // where the answer goes, whole
	TargetHost  string // the target's host with its port
	Loopback    bool   // the target is a program on the person's own computer
	Paste       bool   // the answer is a text to copy and has no target
	Fingerprint string
	Expires     time.Time // when the token expires; zero when unknown
	Lifetime    string    // the same in words, such as "58 minutes"; empty when unknown
	Words       [4]string
	Choices     []string // the second step: words to choose from; else empty
	Action      string   // where the form is posted
	Fields      []field  // hidden in the form
	Notice      string   // why the question comes again; may be empty
}

// field is one hidden field of a form.
type field struct{ Name, Value string }

// pasteView shows the sealed text of the response mode page.
type pasteView struct {
	chrome
	Client  string
	Sealed  string
	Words   [4]string
	Expires time.Time // until when a program takes the text
}

// formView posts the answer to the target by itself, or by a click where scripts are off.
type formView struct {
	chrome
	Client     string
	TargetHost string
	Action     string // the target
	Fields     []field
}

// problemView is a refusal or failure as a page of its own.
type problemView struct {
	chrome
	Status  int
	Kind    string
	Title   string
	Detail  string
	Fix     string // what to do about it; in rich text, may be empty
	Wanted  []string
	Arrived []string
}

// problemPart is a problem within another page.
type problemPart struct {
	Kind    string
	Title   string
	Detail  string
	Fix     string
	Wanted  []string
	Arrived []string
}

// echoView is the doctor: what arrived, which header was taken, and what to fix.
type echoView struct {
	chrome
	Headers    []echoHeader
	Parameters []echoParameter
	RemoteAddr string
	Chosen     string // the name of the header that was taken; empty for none
	Why        string // why that one, or why none
	Verdicts   []verdict
}

// echoHeader is one header of the request, its values masked where they may be secret.
type echoHeader struct {
	Name     string
	Values   []string
	Chosen   bool // the token was taken from it
	Identity bool // it names who is signed in
}

// echoParameter is one parameter of the query, its values masked likewise.
type echoParameter struct {
	Name   string
	Values []string
}

// verdict is one finding of the doctor.
type verdict struct {
	Level string // good, note, warn or bad
	Title string
	Text  string // rich text
	Fixes []fix
}

// fix is what to change at one kind of gateway.
type fix struct {
	Gateway string
	Steps   []step
}

// step is one change.
type step struct {
	Text string // rich text; may be empty
	Code string // lines of the gateway's configuration; may be empty
}
