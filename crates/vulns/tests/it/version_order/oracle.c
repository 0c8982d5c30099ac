/* Judges pairs of versions by dpkg's own code, many in one process.
 *
 * Reads lines of two versions with a blank between; answers each with one line of
 * `<`, `=`, `>`, or `!` where dpkg does not take one of them as a version. */

#define LIBDPKG_VOLATILE_API
#include <stdio.h>
#include <string.h>
#include <dpkg/dpkg.h>
#include <dpkg/dpkg-db.h>

static int parsed(struct dpkg_version *version, const char *text)
{
	struct dpkg_error error = DPKG_ERROR_INIT;
	int failed = parseversion(version, text, &error);

	dpkg_error_destroy(&error);
	return !failed;
}

int main(void)
{
	static char line[4096];

	while (fgets(line, sizeof line, stdin)) {
		struct dpkg_version left, right;
		char *blank = strchr(line, ' ');
		int order;

		line[strcspn(line, "\n")] = '\0';
		if (!blank)
			return 2;
		*blank = '\0';
		if (!parsed(&left, line) || !parsed(&right, blank + 1)) {
			puts("!");
		} else {
			order = dpkg_version_compare(&left, &right);
			puts(order < 0 ? "<" : order > 0 ? ">" : "=");
		}
		/* The parts of each version lie in memory that is kept for the life of the
		 * process; given back in one go, before it grows. */
		nffreeall();
	}
	return 0;
}
