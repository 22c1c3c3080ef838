// Package token2go gets the access token of a person who signs in with a browser, sealed so that only this process can open it.
//
// One call does all of it:
//
//	token, err := token2go.Get(ctx, token2go.Options{
//		Server: "https://t2g.example.org",
//		Show:   func(p token2go.Prompt) { fmt.Fprintln(os.Stderr, "open", p.ShortURL) },
//	})
//
// Get makes a fresh key pair, listens on 127.0.0.1 alone, and hands out an address for
// the person's browser. Behind it the gateway signs the person in, and Token2go sends
// the token back, sealed for that key. Both the key and the listener end with the call.
//
// What comes to the listener is judged as docs/protocol.md says ("What a client must
// do"): a stray request is answered with 4xx and changes nothing, and so is an answer
// that does not open. Neither a web page nor another program can end the wait, short of
// knowing the call's state, 256 random bits.
//
// A Token answers every printer with a mask; Reveal is its one way out. Source keeps a
// token and asks anew before it expires. Transport adds it to requests, for the hosts
// that it is told and no others.
//
// What is not defended: other users of the same machine who can read the command lines
// of all processes see the address that a browser is started with. They cannot open the
// answer, but could put a token of their own in its place; the four words do not show
// that, since they name the request. Machines that people share want /proc mounted with
// hidepid, or Options.PasteOnly.
package token2go
