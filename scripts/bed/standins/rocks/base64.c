/* base64.encode and base64.decode: what the older luajwtjitsi uses of lbase64, which is a C module too. Written for
   the test bed. Like the real one it is strict about padding: what is left at the end of a text without it is
   dropped, white space is skipped, and with any other character it returns nothing at all. */

#include <string.h>

#include <lauxlib.h>
#include <lua.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int encode(lua_State *L) {
	size_t length, i;
	const unsigned char *bytes = (const unsigned char *)luaL_checklstring(L, 1, &length);
	luaL_Buffer out;
	luaL_buffinit(L, &out);
	for (i = 0; i < length; i += 3) {
		unsigned long group = (unsigned long)bytes[i] << 16;
		if (i + 1 < length) group |= (unsigned long)bytes[i + 1] << 8;
		if (i + 2 < length) group |= bytes[i + 2];
		luaL_addchar(&out, digits[group >> 18]);
		luaL_addchar(&out, digits[group >> 12 & 63]);
		luaL_addchar(&out, i + 1 < length ? digits[group >> 6 & 63] : '=');
		luaL_addchar(&out, i + 2 < length ? digits[group & 63] : '=');
	}
	luaL_pushresult(&out);
	return 1;
}

/* Appends the bytes of a group of `count` digits: one byte less than digits. */
static void add(luaL_Buffer *out, unsigned long group, int count) {
	int byte;
	for (byte = count; byte < 4; byte++) group <<= 6;
	for (byte = 0; byte < count - 1; byte++) luaL_addchar(out, (char)(group >> (16 - 8 * byte) & 255));
}

static int decode(lua_State *L) {
	const char *text = luaL_checkstring(L, 1);
	unsigned long group = 0;
	int count = 0;
	luaL_Buffer out;
	luaL_buffinit(L, &out);
	for (; *text != '\0' && *text != '='; text++) {
		const char *digit = strchr(digits, *text);
		if (strchr("\n\r\t \f\b", *text) != NULL) continue;
		if (digit == NULL) return 0;
		group = group << 6 | (unsigned long)(digit - digits);
		if (++count == 4) {
			add(&out, group, 4);
			group = 0;
			count = 0;
		}
	}
	if (*text == '=') add(&out, group, count);
	luaL_pushresult(&out);
	return 1;
}

int luaopen_base64(lua_State *L) {
	lua_newtable(L);
	lua_pushcfunction(L, encode);
	lua_setfield(L, -2, "encode");
	lua_pushcfunction(L, decode);
	lua_setfield(L, -2, "decode");
	return 1;
}
