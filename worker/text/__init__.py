"""How text is set and shown: French typography, markup, local times. No rule of an exam stands here."""
