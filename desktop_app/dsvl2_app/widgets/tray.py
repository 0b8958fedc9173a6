"""An icon in the notification area, from which the screen can be captured while the window is closed."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication, QMenu, QSystemTrayIcon, QWidget

from dsvl2_app.texts import capture as texts
from dsvl2_app.widgets.capture_flow import CaptureFlow, bring_to_front


class Tray(QObject):
    """Off until it is shown; while it is shown, closing the window does not end the program.

    Desktops without a notification area show nothing and keep the usual rule.
    """

    def __init__(self, window: QWidget, flow: CaptureFlow, icon: QIcon) -> None:
        super().__init__(window)
        self._window = window
        self.icon = QSystemTrayIcon(icon, self)
        self.menu = QMenu(window)
        self.menu.addAction(texts.show_window()).triggered.connect(lambda: bring_to_front(window))
        self.menu.addAction(texts.capture_button()).triggered.connect(lambda: flow.start("region"))
        self.menu.addSeparator()
        self.menu.addAction(texts.quit_program()).triggered.connect(self.quit)
        self.icon.setContextMenu(self.menu)
        self.icon.setToolTip(QApplication.applicationName())
        self.icon.activated.connect(self._activate)
        window.installEventFilter(self)

    @property
    def holds(self) -> bool:
        """Whether the program goes on without its window."""
        return self.icon.isVisible() and QSystemTrayIcon.isSystemTrayAvailable()

    def set_shown(self, shown: bool) -> None:
        """Show or hide it."""
        self.icon.setVisible(shown)
        QApplication.setQuitOnLastWindowClosed(not self.holds)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """A window that its user closes steps aside while the icon is there; Quit in its menu ends it."""
        if event.type() == QEvent.Type.Close and event.spontaneous() and self.holds:
            event.ignore()
            self._window.hide()
            return True
        return super().eventFilter(watched, event)

    def quit(self) -> None:
        """End the program."""
        self.set_shown(False)
        self._window.close()
        QApplication.quit()

    def _activate(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason == QSystemTrayIcon.ActivationReason.Trigger:
            bring_to_front(self._window)
