//go:build debian

package main

import _ "../debian"
