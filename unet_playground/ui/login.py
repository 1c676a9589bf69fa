"""An optional login: names with hashed passwords in one environment variable."""

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_bytes

from unet_playground.errors import PlaygroundError

VARIABLE = "UNET_PLAYGROUND_LOGIN"
_COST = {"n": 2**14, "r": 8, "p": 1}


@dataclass(frozen=True)
class Login:
    """Who may come in.

    Attributes:
        known: Name -> salt and scrypt hash of the password.
    """

    known: Mapping[str, tuple[bytes, bytes]]

    @classmethod
    def from_environment(cls) -> "Login | None":
        """What `UNET_PLAYGROUND_LOGIN` holds: lines of `hashed`, divided by blanks; None where it is not set."""
        text = os.environ.get(VARIABLE)
        if not text:
            return None
        try:
            known = {}
            for each in text.split():
                name, salt, hash = each.split(":")
                known[name] = bytes.fromhex(salt), bytes.fromhex(hash)
        except ValueError:
            known = {}
        if not known:
            raise PlaygroundError(
                f"{VARIABLE} holds no logins; write it with `python -m unet_playground login NAME` and start again.",
                f"{VARIABLE} 中没有有效的登录信息；请用 `python -m unet_playground login NAME` 生成，然后重新启动。",
            )
        return cls(known)

    def check(self, name: str, password: str) -> bool:
        """Whether name and password belong together; takes as long for an unknown name."""
        salt, hash = self.known.get(name, (b"nobody", b""))
        return hmac.compare_digest(_hash(password, salt), hash)


def hashed(name: str, password: str) -> str:
    """A login as the variable holds it: `name:salt:hash`.

    Raises:
        PlaygroundError: The name or the password cannot be written so.
    """
    if not name or not name.isprintable() or any(sign in name for sign in ": ") or not password:
        raise PlaygroundError(
            "A login has a name without blanks and colons, and a password that is not empty.",
            "登录名不能含空格或冒号，密码不能为空。",
        )
    salt = token_bytes(16)
    return f"{name}:{salt.hex()}:{_hash(password, salt).hex()}"


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, **_COST)
