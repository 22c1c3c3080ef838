package pass

import (
	"net/netip"
	"time"
)

// claims are a pass as it is signed.
type claims struct {
	Issuer    string `json:"iss"`
	Service   string `json:"aud"`
	Subject   string `json:"sub"`
	ID        string `json:"jti"`
	Issued    int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	Limit
	Networks []netip.Prefix `json:"networks,omitempty"`
	Parents  []string       `json:"par,omitempty"`    // IDs of the ancestors, the nearest first
	Within   []within       `json:"within,omitempty"` // their limits, in the same order
	Sealed   []byte         `json:"sec,omitempty"`
}

type within struct {
	Issued int64 `json:"iat"`
	Limit
}

func (p Pass) claims() claims {
	c := claims{
		Issuer: p.Issuer, Service: p.Service, Subject: p.Subject, ID: p.ID, Issued: p.Issued.Unix(), NotBefore: p.NotBefore.Unix(),
		Expires: p.Expires.Unix(), Limit: p.Limit, Networks: p.Networks, Sealed: p.sealed,
	}
	for _, ancestor := range p.Ancestors {
		c.Parents = append(c.Parents, ancestor.ID)
		c.Within = append(c.Within, within{ancestor.Issued.Unix(), ancestor.Limit})
	}
	return c
}

// pass reads verified claims. Signing is no proof that they are whole: a later version may
// sign what this one does not understand.
func (c claims) pass() (Pass, bool) {
	p := Pass{
		ID: c.ID, Issuer: c.Issuer, Service: c.Service, Subject: c.Subject, Issued: time.Unix(c.Issued, 0).UTC(),
		NotBefore: time.Unix(c.NotBefore, 0).UTC(), Expires: time.Unix(c.Expires, 0).UTC(), Limit: c.Limit, Networks: c.Networks, sealed: c.Sealed,
	}
	limited := !c.unlimited()
	if len(c.Parents) != len(c.Within) || len(c.Parents) > maxAncestors {
		return Pass{}, false
	}
	for i, id := range c.Parents {
		limited = limited || !c.Within[i].unlimited()
		p.Ancestors = append(p.Ancestors, Ancestor{id, time.Unix(c.Within[i].Issued, 0).UTC(), c.Within[i].Limit})
	}
	return p, limited && c.ID != "" && c.Service != "" && c.Subject != "" && c.Issued > 0 && c.Expires > 0
}
