package check

// Try decides as Check does, about a key that is given without its secret: for its owner,
// who asks why it was refused. It counts no failure and takes nothing of the key's rate.
// The error is nil or a *Refusal.
func (c *Checker) Try(key Key, person *Person, facts Facts) error {
	now := c.Now()
	reason := Reason("")
	switch {
	case key.Revoked:
		reason = Revoked
	case !key.Expires.IsZero() && !now.Before(key.Expires):
		reason = Expired
	case key.Person == 0:
	case person == nil || !person.Active:
		reason = PersonInactive
	case c.SeenWithin > 0 && now.Sub(person.Seen) > c.SeenWithin:
		reason = PersonNotSeen
	}
	if reason != "" {
		return &Refusal{Kind: InvalidKey, Reason: reason}
	}
	return allowed(key, facts)
}
