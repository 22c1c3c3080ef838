// Package token2go gets the access token of a person who signs in with a browser, sealed so that only this process can open it.
//
// One call does all of it:
//
//	token, err := token2go.Get(ctx, token2go.Options{
//		Server: "https://t2g.example.org",
//		Show:   func(p token2go.Prompt) { fmt.Fprintln(os.Stderr, "open", p.ShortURL) },
//	})
//
// Get makes a fresh key pair, listens on 127.0.0.1 alone, and returns an address for the
// person's browser. Behind it the gateway signs the person in, and Token2go sends the
// token back, sealed for that key. Both the key and the listener end with the call.
//
// Requests to the listener that are not the answer get 4xx and change nothing, and so
// does an answer that does not open (docs/protocol.md, "What a client must do"). To end
// the wait, a web page or another program must know the call's state, 256 random bits.
//
// A Token prints as a mask; Reveal and SetAuthHeader are its ways out. Source keeps a
// token and asks anew before it expires. Transport adds it to requests for named hosts.
//
// Another user of the same computer can read in the list of processes the address that a
// browser is started with, and could hand over a token of his own. On Linux, connections
// of other users are refused, unless this program runs as root. Elsewhere the person is
// warned when the address is opened twice, and the token is then not kept; a user who is
// faster than the person's browser is not noticed. The four words do not show it, since
// they name the request. Shared machines without that check want Options.PasteOnly.
package token2go
