package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// defaultSignOut is where oauth2-proxy signs a browser out.
const defaultSignOut = "/oauth2/sign_out"

// Logout removes a profile's token. Everywhere, it also opens the address at which the
// gateway signs the browser out.
func (e Env) Logout(ctx context.Context, r Request, everywhere bool) error {
	removed, err := r.remove()
	if err != nil {
		return err
	}
	sweepRuns()
	if removed {
		e.say("removed the token of %s; until it expires, it is still valid elsewhere", r.Server)
	} else {
		e.say("no token of %s was kept", r.Server)
	}
	if everywhere {
		return e.signOut(ctx, r)
	}
	e.say("your browser is still signed in at the gateway; to sign out there, too: token2go logout --everywhere %s", r.argument())
	return nil
}

// signOut opens the gateway's sign-out page, unless the gateway says that it has none.
func (e Env) signOut(ctx context.Context, r Request) error {
	base, err := url.Parse(r.Server)
	if err != nil {
		return usage("the address cannot be read")
	}
	path := defaultSignOut
	if r.SignOut != "" {
		path = r.SignOut
	}
	address, err := base.Parse(path)
	if err != nil {
		return usage("sign-out: %v", err)
	}
	if !r.NoCheck {
		if err := checkSignOut(ctx, r, address.String()); err != nil {
			return err
		}
	}
	browser, err := currentPlatform(e.Getenv).browse(r.Browser)
	if err != nil {
		return err
	}
	e.note(Event{Event: "sign-out", Server: r.Server, URL: address.String()}, "to sign out at the gateway, open %s", address)
	if browser.open != nil {
		const enough = 2 * time.Second // the command may last as long as the browser
		opened := make(chan error, 1)
		go func() { opened <- browser.open(address.String()) }()
		select {
		case err = <-opened:
		case <-time.After(enough):
		}
		if err != nil {
			return fmt.Errorf("the browser was not opened: %w", err)
		}
	}
	e.say("the page shows whether you are signed out; the identity provider may still have a session of its own")
	return nil
}

// checkSignOut reports an address that the gateway does not have. It sends no cookie, so it
// signs no one out.
func checkSignOut(ctx context.Context, r Request, address string) error {
	client, err := httpClient(r.CAFile)
	if err != nil {
		return err
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return &token2go.Error{Kind: token2go.ErrUnreachable, Cause: err}
	}
	_ = answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return usage("the gateway has no page at %s; when you know its sign-out address: token2go config set PROFILE sign-out ADDRESS", address)
	}
	return nil
}

// LogoutAll removes every token.
func (e Env) LogoutAll() error {
	entries, err := token2go.Cache{}.Entries()
	if err != nil {
		return err
	}
	sweepRuns()
	for _, entry := range entries {
		if _, err := (Request{Profile: Profile{Server: entry.Server, Key: entry.Profile}}).remove(); err != nil {
			return err
		}
		e.say("removed the token of %s", entryName(entry))
	}
	if len(entries) == 0 {
		e.say("no token was kept")
	}
	return nil
}
