// Shapes that a hand draws in a plane of a volume: polygons whose corners are places in it, as shares of its sides.
(() => {
  // An ellipse in the box that two corners span; `across` and `up` are the axes of its plane.
  function ellipse(from, to, [across, up]) {
    return Array.from({ length: 360 }, (_, step) => {
      const place = [...from], turn = (step * Math.PI) / 180;
      place[across] = (from[across] + to[across] + (to[across] - from[across]) * Math.cos(turn)) / 2;
      place[up] = (from[up] + to[up] + (to[up] - from[up]) * Math.sin(turn)) / 2;
      return place;
    });
  }

  // How far two places in space lie apart.
  const distance = (from, to) => Math.hypot(...[0, 1, 2].map((axis) => to[axis] - from[axis]));

  // The area of a flat polygon anywhere in space, in the square of its units.
  function area([first, ...others]) {
    const sides = others.map((one) => one.map((length, axis) => length - first[axis])), whole = [0, 0, 0];
    for (let at = 1; at < sides.length; at++) {
      const [a, b] = [sides[at - 1], sides[at]];
      for (const axis of [0, 1, 2]) {
        const [next, last] = [(axis + 1) % 3, (axis + 2) % 3];
        whole[axis] += (a[next] * b[last] - a[last] * b[next]) / 2;
      }
    }
    return Math.hypot(...whole);
  }

  // Mean, deviation and number of the voxels whose centres lie in a shape; `sizes` are the volume's, in voxels.
  function inside(points, [across, up], sizes, valueOf) {
    const corners = points.map((one) => [one[across] * sizes[across] - 0.5, one[up] * sizes[up] - 0.5]);
    const [low, high] = [Math.min, Math.max].map((end) => [0, 1].map((axis) => end(...corners.map((one) => one[axis]))));
    const voxel = points[0].map((one, axis) => Math.min(sizes[axis] - 1, Math.floor(one * sizes[axis])));
    let sum = 0, squares = 0, count = 0;
    for (voxel[up] = Math.ceil(low[1]); voxel[up] <= high[1]; voxel[up]++) {
      const crossed = corners.flatMap(([x, y], at) => {
        const [nextX, nextY] = corners[(at + 1) % corners.length];
        return y > voxel[up] !== nextY > voxel[up] ? [x + ((voxel[up] - y) * (nextX - x)) / (nextY - y)] : [];
      });
      for (voxel[across] = Math.ceil(low[0]); voxel[across] <= high[0]; voxel[across]++) {
        if (crossed.filter((x) => x > voxel[across]).length % 2 === 0) continue;
        const value = valueOf(...voxel);
        sum += value; squares += value * value; count += 1;
      }
    }
    return { mean: sum / count, spread: Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2)), count };
  }

  window.unetShapes = { ellipse, area, distance, inside };
})();
