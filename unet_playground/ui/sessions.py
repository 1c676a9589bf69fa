"""What Gradio holds of every visitor between two events. It tells of no tab that is closed."""

from gradio.state_holder import StateHolder

from unet_playground.ui.scene import Scene


def keep_images(holder: StateHolder, most: int) -> None:
    """Let go of all images beyond so many bytes, of those who have not come for longest; their pages then have none."""
    left = most
    for session in reversed([*holder.session_data.values()]):
        for key, value in session.state_data.items():
            if isinstance(value, Scene):
                left -= value.nbytes
                if left < 0:
                    session.state_data[key] = None


def forget(holder: StateHolder, session: str) -> None:
    """End a session that holds nothing: scripts begin one with every call, and too many push out those of pages."""
    if session in holder and not holder.session_data[session].state_data:
        del holder.session_data[session]
        holder.time_last_used.pop(session, None)
