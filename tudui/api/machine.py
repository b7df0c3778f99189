"""What this machine has for Tudui, and what is wrong with it."""

from tudui.diagnosis import Finding as Finding
from tudui.diagnosis import diagnose as diagnose
