// Package browsertest opens reports in a headless Chromium and looks at what it
// drew. It is a module of its own, so that who uses Jarvis doesn't depend on a
// browser's driver.
//
// Its tests are skipped where there is no Chromium; with JARVIS_CHROMIUM=required
// they fail there. JARVIS_SCREENSHOTS names a folder to leave pictures in.
package browsertest
