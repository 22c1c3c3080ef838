package cli

import "os"

// foreground is always so: consoles have no jobs.
func foreground(*os.File) bool { return true }

// attend has nothing to do: consoles cannot suspend a program.
func (t *terminal) attend() (end func()) { return func() {} }
